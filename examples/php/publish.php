<?php
// Publishes what web requests say: php -S 127.0.0.1:8000 publish.php

/** A token, signed with the secret of the relay's --token-key secret:PATH. */
function token(array $claims): string
{
    $part = fn (string $bytes) => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    $signed = $part('{"alg":"HS256","typ":"JWT"}') . '.' . $part(json_encode($claims));
    return $signed . '.' . $part(hash_hmac('sha256', $signed, getenv('FANFARE_SECRET'), true));
}

/** Publishes a message, once; `$except` is the connection that does not get it. */
function publish(string $user, string $room, string $message, ?string $except = null, ?string $key = null): array
{
    $url = (getenv('FANFARE_URL') ?: 'http://127.0.0.1:2046') . '/' . rawurlencode($room)
        . ($except === null ? '' : '?except=' . rawurlencode($except));
    $fields = ['Content-Type: text/plain; charset=utf-8', 'Connection: close',
        'Idempotency-Key: ' . ($key ?? bin2hex(random_bytes(16)))];
    $claims = ['sub' => $user, 'hear' => [$room], 'speak' => [$room], 'exp' => time() + 60];
    if (getenv('FANFARE_SECRET')) $fields[] = 'Authorization: Bearer ' . token($claims);
    $context = stream_context_create(['http' => ['method' => 'POST', 'header' => $fields,
        'content' => $message, 'protocol_version' => 1.1, 'timeout' => 5, 'ignore_errors' => true]]);
    for ($left = 3; ; $left--) {
        $answer = @file_get_contents($url, false, $context);
        $status = $answer === false ? 0 : (int) explode(' ', $http_response_header[0])[1];
        if ($status === 200) return json_decode($answer, true);
        $mayRepeat = in_array($status, [0, 429, 502, 503, 504], true);
        if (!$mayRepeat || $left === 1) throw new RuntimeException($answer ?: 'the relay does not answer');
        sleep(1);
    }
}

if (get_included_files()[0] === __FILE__) { // this is the page itself, and not a part of another one
    header('Content-Type: application/json');
    try { // the signed-in user is from your session
        $said = publish('ana', 'news', $_POST['text'] ?? '', $_POST['connection'] ?? null, $_POST['key'] ?? null);
    } catch (RuntimeException $error) {
        http_response_code(502);
        $said = ['error' => $error->getMessage()];
    }
    echo json_encode($said);
}
