// A room as a Vue 3 composable.
import { onScopeDispose, shallowRef, toValue, watch } from 'vue';
import { connect } from './fanfare.js';

const HISTORY = 500; // messages for the page

// On a server a page would join and never leave.
const isServer = typeof window === 'undefined' && typeof process === 'object'
  && Boolean(process.versions?.node);

/**
 * Joins the room at `url` (a string, ref or getter; none while it is empty), leaves it when the
 * component is unmounted, and changes rooms with the address. `options` are those of `connect`, and
 * `history`: so many messages are kept, and asked for at first. In Node it joins only with
 * `options.WebSocket`.
 */
export function useFanfare(url, options = {}) {
  const { history = HISTORY, ...rest } = options;
  const messages = shallowRef([]);
  const state = shallowRef('closed');
  const gap = shallowRef(null);
  let room = null;

  const leave = () => {
    room?.close();
    room = null;
    state.value = 'closed';
  };
  const join = (address) => {
    leave();
    messages.value = [];
    gap.value = null;
    if (!address || (isServer && !rest.WebSocket)) return;
    const own = connect(address, { last: history, ...rest });
    const follow = () => { if (room === own) state.value = own.state; };
    ['open', 'close', 'reconnecting'].forEach((event) => own.on(event, follow));
    own.on('gap', (detail) => { if (room === own) gap.value = detail; });
    own.on('message', (data) => {
      if (room !== own) return;
      const all = [...messages.value, data];
      all.splice(0, all.length - history);
      messages.value = all;
    });
    room = own;
    follow();
  };
  watch(() => toValue(url), join, { immediate: true, flush: 'sync' });
  onScopeDispose(leave);

  return {
    messages,
    state,
    gap,
    send: (data) => Boolean(room?.send(data)),
    publish: async (data) => {
      if (!room) throw Object.assign(new Error('there is no room'), { code: 'closed' });
      return room.publish(data);
    },
    close: leave,
  };
}
