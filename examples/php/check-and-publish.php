<?php
// The backend of a WeChat mini-program whose messages are checked (msgSecCheck) before a member sees them:
//
//   WECHAT_APPID=... WECHAT_SECRET=... FANFARE_SECRET=... php -S 127.0.0.1:8000 check-and-publish.php
//
//   POST ?login {"code"}              the code of wx.login(); answers {"token"}: with it the mini-program
//                                     joins the room, and may not speak there: only this backend publishes
//   POST        {"id", "nick", "text", "at"}  a message of the chat, with `Authorization: Bearer TOKEN`, and
//                                     "connection", which does not get it; answers {"id", "members"}

require __DIR__ . '/publish.php';

const ROOM = 'chat';
const TOKEN_S = 7200; // WeChat checks messages of users that were there within two hours

/** Asks WeChat; with a body by POST. */
function wechat(string $path, ?array $body = null): array
{
    // WeChat reads the characters themselves, not \u sequences.
    $content = $body === null ? '' : json_encode($body, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    $context = stream_context_create(['http' => ['method' => $body === null ? 'GET' : 'POST',
        'header' => 'Content-Type: application/json', 'content' => $content, 'timeout' => 3]]);
    $api = getenv('WECHAT_API') ?: 'https://api.weixin.qq.com';
    $said = json_decode((string) @file_get_contents($api . $path, false, $context), true);
    return is_array($said) ? $said : throw new RuntimeException('WeChat does not answer');
}

/** What WeChat says, or why it says nothing. */
function result(array $said, string $name): mixed
{
    return $said[$name] ?? throw new RuntimeException("WeChat: {$said['errcode']} {$said['errmsg']}");
}

/** The key to WeChat's interfaces; the same while it is valid, so one that is not kept is asked for again. */
function accessToken(bool $isRefused): string
{
    $kept = function_exists('apcu_fetch') && !$isRefused ? apcu_fetch('wechat') : false;
    if ($kept !== false) return $kept;
    $said = wechat('/cgi-bin/stable_token', ['grant_type' => 'client_credential',
        'appid' => getenv('WECHAT_APPID'), 'secret' => getenv('WECHAT_SECRET')]);
    $token = result($said, 'access_token');
    if (function_exists('apcu_store')) apcu_store('wechat', $token, max(1, $said['expires_in'] - 300));
    return $token;
}

/** What WeChat advises: `pass`, `review` or `risky`. */
function check(string $openid, string $text): string
{
    foreach ([false, true] as $isRefused) { // the key may have been replaced before its time
        $said = wechat('/wxa/msg_sec_check?access_token=' . rawurlencode(accessToken($isRefused)),
            ['version' => 2, 'scene' => 2, 'openid' => $openid, 'content' => $text]);
        if (!in_array($said['errcode'] ?? 0, [40001, 40014, 42001], true)) break;
    }
    return result($said, 'result')['suggest'];
}

/** The user of the request's token; null if it is none of ours: made again from its claims, it is another. */
function user(): ?string
{
    if (!preg_match('/^Bearer ([\w-]+\.([\w-]+))\.[\w-]+$/', $_SERVER['HTTP_AUTHORIZATION'] ?? '', $found)) return null;
    $claims = json_decode(base64_decode(strtr($found[2], '-_', '+/')), true);
    $isOurs = is_array($claims) && hash_equals('Bearer ' . token($claims), $found[0]);
    return $isOurs && $claims['exp'] > time() ? $claims['sub'] : null;
}

/** The status and the answer. */
function answer(array $request): array
{
    if (isset($_GET['login'])) {
        $session = wechat('/sns/jscode2session?' . http_build_query(['grant_type' => 'authorization_code',
            'appid' => getenv('WECHAT_APPID'), 'secret' => getenv('WECHAT_SECRET'), 'js_code' => $request['code'] ?? '']));
        if (!isset($session['openid'])) return [401, ['error' => 'log in again']];
        return [200, ['token' => token(['sub' => $session['openid'], 'hear' => [ROOM], 'speak' => [], 'exp' => time() + TOKEN_S])]];
    }
    $openid = user();
    if ($openid === null) return [401, ['error' => 'log in again']];
    $message = array_intersect_key($request, ['id' => 1, 'nick' => 1, 'text' => 1, 'at' => 1]);
    [$id, $nick, $text] = [$message['id'] ?? null, $message['nick'] ?? null, $message['text'] ?? null];
    $isMessage = is_string($id) && is_string($nick) && is_string($text);
    if (!$isMessage || !preg_match('/^.{0,2400}$/su', $nick . $text)) { // WeChat checks 2,500 characters
        return [400, ['error' => 'no message']];
    }
    if (check($openid, "$nick\n$text") !== 'pass') return [422, ['error' => 'not accepted']];
    // Its own id is the key: a message that is sent again is published once.
    $published = publish($openid, ROOM, json_encode($message, JSON_UNESCAPED_UNICODE), $request['connection'] ?? null, $id);
    return [200, $published];
}

header('Content-Type: application/json');
try {
    foreach (['WECHAT_APPID', 'WECHAT_SECRET', 'FANFARE_SECRET'] as $name) {
        if (!getenv($name)) throw new RuntimeException("$name is not set");
    }
    [$status, $said] = answer((array) json_decode(file_get_contents('php://input'), true));
} catch (RuntimeException | JsonException $error) { // unchecked is unpublished
    error_log($error->getMessage());
    [$status, $said] = [503, ['error' => 'try again later']];
}
http_response_code($status);
echo json_encode($said);
