// The relay of this mini-program: the one file to change for yours.
module.exports = {
  // On a phone: wss://, with a domain that is registered for this mini-program.
  address: 'ws://127.0.0.1:2046',
  // As in the relay's `--heartbeat ping=pong`; null if it runs without, for it would then hand
  // the word to everybody. A mini-program cannot see ping frames: only this tells it that a
  // connection is dead.
  heartbeat: ['ping', 'pong'],
  // The backend that checks messages and publishes them, and its only room:
  // { url: 'https://example.com/check-and-publish.php', room: 'chat' }
  backend: null,
};
