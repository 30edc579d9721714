// Must compile: how the types are meant.
import { connect, mayRetry, WxSocket, type PublishError } from 'fanfare-client';
import { useFanfare } from 'fanfare-client/vue';
import { RoomSocket } from 'fanfare-client/websocket';

const room = connect<{ text: string }>('wss://relay.example/news', {
  json: true,
  heartbeat: ['ping', 'pong'],
  WebSocket: WxSocket,
});
const off: () => void = room.on('message', (message, id) => message.text.trim() + (id ?? ''));
room.once('open', () => {});
room.off('gap', ({ missed }) => !missed);
const id: Promise<string | null> = room.publish({ text: 'x' })
  .catch((error: PublishError) => error.code);
const asking = connect(async () => 'wss://relay.example/', {
  token: async () => 'x', last: 20, lastEventId: room.id ?? undefined, maxAttempts: 5,
  shouldRetry: (code, reason) => code !== 4000 && mayRetry(code, reason),
});
const socket = new RoomSocket(new URL('wss://relay.example/'), [], { last: 5 });
socket.onmessage = ({ data, lastEventId }) => [data, lastEventId.length];
socket.addEventListener('gap', ({ detail }) => detail.missed);
const shapes: WebSocketShape[] = [socket, new WxSocket('wss://relay.example/')];
type WebSocketShape = Pick<WebSocket, 'readyState' | 'url' | 'protocol' | 'extensions'>;
room.on('close', ({ code, willReconnect }) => code + Number(willReconnect));
room.on('gap', ({ dropped, awayMs }) => dropped + awayMs);
// @ts-expect-error no such event
room.on('nonsense', () => {});
const waits: Promise<void> = room.ready;
const { messages, gap } = useFanfare<string>(() => 'wss://relay.example/', { history: 20 });
messages.value.map((text) => text.length + (gap.value?.awayMs ?? 0));
export { off, waits, id, asking, shapes };
