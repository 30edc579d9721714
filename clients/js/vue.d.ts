import type { MaybeRefOrGetter, ShallowRef } from 'vue';
import type { GapDetail, RoomOptions, RoomState } from './fanfare.js';

/**
 * A room that is left when the component is unmounted, and changed with the address. There is none
 * while the address is empty; in Node only with `options.WebSocket`.
 */
export function useFanfare<T = string | ArrayBuffer>(
  url: MaybeRefOrGetter<string | null | undefined>,
  options?: RoomOptions & {
    /** Messages kept (500); so many of those that were published before come first. */
    history?: number;
  },
): {
  messages: Readonly<ShallowRef<readonly T[]>>;
  state: Readonly<ShallowRef<RoomState>>;
  /** The newest gap in this room; null while there was none. */
  gap: Readonly<ShallowRef<GapDetail | null>>;
  /** Sends or queues; false when it will never be sent. */
  send(data: unknown): boolean;
  /** The same, with the message's id; rejects while there is no room. */
  publish(data: unknown): Promise<string | null>;
  close(): void;
};
