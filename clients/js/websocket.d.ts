import type { GapDetail, Room, RoomOptions, SocketShape } from './fanfare.js';

/**
 * A WebSocket that reconnects by itself, and goes on with the message behind the last one. `open` and
 * `close` come with each connection; after the last `close` its `willReconnect` is false.
 */
export class RoomSocket extends SocketShape {
  constructor(
    url: string | URL,
    protocols?: string | string[],
    options?: Omit<RoomOptions, 'protocols' | 'json'>,
  );
  /** The room behind it. */
  readonly room: Room;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: any; lastEventId: string }) => void) | null;
  onerror: ((event: { message: string }) => void) | null;
  onclose: ((event: {
    code: number; reason: string; wasClean: boolean; willReconnect: boolean;
  }) => void) | null;
  addEventListener(type: 'gap', listener: (event: { detail: GapDetail }) => void,
    options?: { once?: boolean }): void;
  addEventListener(type: string, listener: (event: any) => void,
    options?: { once?: boolean }): void;
}
