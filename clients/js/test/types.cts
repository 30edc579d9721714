// Must compile: the same for those who require it.
import fanfare = require('fanfare-client');
import websocket = require('fanfare-client/websocket');

const room: fanfare.Room = fanfare.connect('wss://relay.example/', { socketOptions: { header: {} } });
room.url = 'wss://relay.example/next';
// @ts-expect-error it is the room's own to say
room.state = 'open';
const isOpen: boolean = room.state === 'open';
const socket: fanfare.SocketShape = new websocket.RoomSocket('wss://relay.example/');
export = isOpen && socket.readyState === 1;
