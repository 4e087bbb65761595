use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

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
