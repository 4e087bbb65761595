use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use connections::MOST_CONNECTIONS;

async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: doorstep\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn readiness_names_what_is_missing_and_each_page_says_its_type() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_ready = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_ready);
    let sources = Sources {
        pending: Box::new(move || if seen.load(Relaxed) { Vec::new() } else { vec!["upstream: not asked yet".to_owned()] }),
        status: Box::new(|| serde_json::json!({ "version": "1" })),
        registry: Registry::default(),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, sources, async move { drop(stopped.await) }));

    let reply = ask(address, "/readyz").await;
    assert!(reply.starts_with("HTTP/1.1 503") && reply.ends_with("upstream: not asked yet\n"), "{reply}");
    is_ready.store(true, Relaxed);
    assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(ask(address, "/status").await.contains("application/json"));
    assert!(ask(address, "/metrics").await.contains("application/openmetrics-text"));
    assert!(ask(address, "/nothing").await.starts_with("HTTP/1.1 404"));

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_holds_connections_open_keeps_nobody_out_and_loses_the_oldest() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = Box::new(|| serde_json::Value::Null);
    let sources = Sources { pending: Box::new(Vec::new), status, registry: Registry::default() };
    tokio::spawn(serve(listener, sources, std::future::pending()));

    let mut held = Vec::new();
    for _ in 0..3 * MOST_CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: half a requ").await.unwrap();
        held.push(stream);
    }
    assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));

    // The answer above took the place of one of the newest.
    let newest = held.split_off(2 * MOST_CONNECTIONS + 1);
    for mut stream in held {
        let ended = timeout(Duration::from_secs(10), stream.read(&mut [0])).await.expect("it is closed");
        assert_eq!(ended.unwrap_or(0), 0);
    }
    for mut stream in newest {
        stream.write_all(b"est\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "still open: {reply}");
    }
}
