import type { MaybeRefOrGetter, ShallowRef } from 'vue';
import type { RoomOptions, RoomState } from './fanfare.js';

/**
 * A room that is left when the component is unmounted, and changed with the address. There is none
 * while the address is empty; in Node only with `options.WebSocket`.
 */
export function useFanfare<T = string | ArrayBuffer>(
  url: MaybeRefOrGetter<string | null | undefined>,
  options?: RoomOptions & { /** Messages kept (500). */ history?: number },
): {
  messages: Readonly<ShallowRef<readonly T[]>>;
  state: Readonly<ShallowRef<RoomState>>;
  /** Sends or queues; false when it will never be sent. */
  send(data: unknown): boolean;
  close(): void;
};
