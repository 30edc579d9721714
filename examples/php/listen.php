<?php
// Joins a room and prints what is said there: php listen.php ws://127.0.0.1:2046/news

$address = parse_url($argv[1] ?? 'ws://127.0.0.1:2046/');
$isTls = $address['scheme'] === 'wss';
$authority = $address['host'] . ':' . ($address['port'] ?? ($isTls ? 443 : 80));
$room = stream_socket_client(($isTls ? 'tls://' : 'tcp://') . $authority, $errno, $error, 10);
if (!$room) exit(1); // PHP has printed why
stream_set_timeout($room, 60); // the relay pings after 25 s of silence: a minute means it is gone

$take = function (int $bytes) use ($room): string { // TCP cuts where it likes
    for ($taken = ''; strlen($taken) < $bytes; $taken .= $piece) {
        $piece = fread($room, $bytes - strlen($taken));
        if ($piece === '' || $piece === false) { fwrite(STDERR, "closed: 1006\n"); exit(1); }
    }
    return $taken;
};
$send = function (int $opcode, string $payload) use ($room): void { // 125 bytes at most
    $mask = random_bytes(4); // the mask's repetition is cut to the payload's length by `^`
    fwrite($room, chr(0x80 | $opcode) . chr(0x80 | strlen($payload)) . $mask
        . ($payload ^ str_repeat($mask, 32)));
};

$key = base64_encode(random_bytes(16));
$target = ($address['path'] ?? '/') . (isset($address['query']) ? "?{$address['query']}" : '');
fwrite($room, "GET $target HTTP/1.1\r\nHost: $authority\r\n"
    . "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: $key\r\n\r\n");
for ($head = ''; !str_ends_with($head, "\r\n\r\n"); $head .= $take(1));
$proof = base64_encode(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
if (!str_starts_with($head, 'HTTP/1.1 101 ') || !str_contains($head, $proof)) {
    fwrite(STDERR, "refused: $head");
    exit(1);
}
fwrite(STDERR, 'listening to ' . ($argv[1] ?? "ws://$authority/") . "\n");

while (true) { // the relay joins fragments: each frame is a whole message
    ['first' => $first, 'length' => $length] = unpack('Cfirst/Clength', $take(2));
    if ($length === 126) $length = unpack('n', $take(2))[1];
    if ($length === 127) $length = unpack('J', $take(8))[1];
    $payload = $take($length);
    switch ($first & 0x0f) {
        case 1: echo $payload, "\n"; break;
        case 2: echo "($length bytes)\n"; break;
        case 9: $send(10, $payload); break; // a ping; without its pong the relay closes
        case 8:
            $code = $length >= 2 ? unpack('n', $payload)[1] : 1005;
            $send(8, substr($payload, 0, 2));
            fwrite(STDERR, "closed: $code " . substr($payload, 2) . "\n");
            exit($code === 1000 ? 0 : 1);
    }
}
