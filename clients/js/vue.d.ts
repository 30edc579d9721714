import type { MaybeRefOrGetter, ShallowRef } from 'vue';
import type { RoomOptions, RoomState } from './fanfare.js';

/** A room that is left when the component goes, and changed when the address changes. */
export function useFanfare<T = string | ArrayBuffer>(
  url: MaybeRefOrGetter<string>,
  options?: RoomOptions & { /** Messages kept (500). */ history?: number },
): {
  messages: Readonly<ShallowRef<readonly T[]>>;
  state: Readonly<ShallowRef<RoomState>>;
  send(data: unknown): boolean;
  close(): void;
};
