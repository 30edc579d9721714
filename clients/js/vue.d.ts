import type { MaybeRefOrGetter, ShallowRef } from 'vue';
import type { RoomOptions, RoomState } from './fanfare.js';

/**
 * A room that is left when the component goes, and changed when the address changes. There is none
 * while the address is empty; in Node only with `options.WebSocket`.
 */
export function useFanfare<T = string | ArrayBuffer>(
  url: MaybeRefOrGetter<string | null | undefined>,
  options?: RoomOptions & { /** Messages kept (500). */ history?: number },
): {
  messages: Readonly<ShallowRef<readonly T[]>>;
  state: Readonly<ShallowRef<RoomState>>;
  /** Sends, or keeps it for later; false when it will never leave. */
  send(data: unknown): boolean;
  close(): void;
};
