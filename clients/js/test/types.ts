// Must compile: how the types are meant.
import { connect, WxSocket } from 'fanfare-client';
import { useFanfare } from 'fanfare-client/vue';

const room = connect<{ text: string }>('wss://relay.example/news', {
  json: true,
  heartbeat: ['ping', 'pong'],
  WebSocket: WxSocket,
});
const off: () => void = room.on('message', (message) => message.text.trim());
room.on('close', ({ code, willReconnect }) => code + Number(willReconnect));
room.on('gap', ({ dropped, awayMs }) => dropped + awayMs);
// @ts-expect-error no such event
room.on('nonsense', () => {});
const waits: Promise<void> = room.ready;
const { messages } = useFanfare<string>(() => 'wss://relay.example/');
messages.value.map((text) => text.length);
export { off, waits };
