//! A broadcast server on tokio and tungstenite, a task for each connection: a peer for `compare`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Room = HashMap<usize, UnboundedSender<Message>>;
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("listens on {}", listener.local_addr().expect("an address"));
    let rooms = Rooms::default();
    for id in 0.. {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(serve(stream, id, Arc::clone(&rooms)));
    }
}

async fn serve(stream: TcpStream, id: usize, rooms: Rooms) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut path = String::new();
    // The default buffer of 128 KiB for each connection would dominate the figures.
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    let callback = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config));
    let (mut sink, mut stream) = socket.await.ok()?.split();
    let (sender, mut queue) = unbounded_channel();
    rooms.lock().expect("no panic").entry(path.clone()).or_default().insert(id, sender);
    let writer = tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            sink.feed(message).await.ok()?;
            while let Ok(message) = queue.try_recv() {
                sink.feed(message).await.ok()?;
            }
            sink.flush().await.ok()?;
        }
        Some(())
    });
    while let Some(Ok(message)) = stream.next().await {
        if message.is_text() || message.is_binary() {
            let rooms = rooms.lock().expect("no panic");
            let others = rooms.get(&path).into_iter().flatten().filter(|(other, _)| **other != id);
            // A receiver that has ended removes itself.
            others.for_each(|(_, sender)| drop(sender.send(message.clone())));
        }
    }
    if let Some(room) = rooms.lock().expect("no panic").get_mut(&path) {
        room.remove(&id);
    }
    writer.abort();
    Some(())
}
