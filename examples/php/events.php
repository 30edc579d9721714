<?php
// Prints what is said in a room: php events.php http://127.0.0.1:2046/news

$address = $argv[1] ?? 'http://127.0.0.1:2046/';
for ($id = null; ; sleep(3)) { // a lost connection begins again behind its last message
    $fields = ['Accept: text/event-stream', ...($id === null ? [] : ["Last-Event-ID: $id"])];
    $context = stream_context_create(['http' => ['header' => $fields, 'protocol_version' => 1.1,
        'timeout' => 60]]); // in a silent room a comment comes every 25 s
    $stream = fopen($address, 'r', false, $context); // PHP prints why there is none
    if (!$stream && preg_match('/ 4\d\d /', $http_response_header[0] ?? '')) exit(1); // refused for good
    if ($stream) {
        stream_set_chunk_size($stream, 1); // else PHP waits until 8 KiB are there
        fwrite(STDERR, "listening to $address\n");
    }
    [$name, $data] = ['', []];
    while ($stream && ($line = fgets($stream)) !== false) {
        [$field, $value] = explode(': ', rtrim($line, "\n"), 2) + ['', ''];
        if ($field === 'id') $id = $value;
        if ($field === 'event') $name = $value;
        if ($field === 'data') $data[] = $value;
        if ($line !== "\n") continue;
        if ($name !== '') echo "($name ", implode($data), ")\n"; // binary, a gap: docs/protocol.md has them
        elseif ($data) echo implode("\n", $data), "\n";
        [$name, $data] = ['', []];
    }
    fwrite(STDERR, "the connection ended\n");
}
