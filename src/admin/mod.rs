//! HTTP for probes, scrapers and people: `/livez`, `/readyz`, `/status`, `/metrics`.
//!
//! The room knows nothing of DNS: what it shows comes as closures from the composition root.

mod connections;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::telemetry::Registry;
use connections::Bounded;

/// Where the answers come from.
pub struct Sources {
    /// What is still missing until queries should come; none when ready.
    pub pending: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The state as JSON.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// The metrics.
    pub registry: Registry,
}

/// The media type of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until `stop` is done; requests under way are finished. At most 16 connections at a time: one more closes the oldest.
///
/// # Errors
/// Only what the listener itself fails with.
pub async fn serve(listener: TcpListener, sources: Sources, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get(|| async { "doorstep: /livez /readyz /status /metrics\n" }))
        // Whoever is asked here lives; a data worker that hangs ends the process by itself.
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(sources));
    axum::serve(Bounded::new(listener), router).with_graceful_shutdown(stop).await
}

async fn ready(State(sources): State<Arc<Sources>>) -> Response {
    let pending = (sources.pending)();
    if pending.is_empty() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, pending.join("\n") + "\n").into_response()
}

async fn status(State(sources): State<Arc<Sources>>) -> Response {
    let text = format!("{:#}\n", (sources.status)());
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn metrics(State(sources): State<Arc<Sources>>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], sources.registry.page()).into_response()
}

#[cfg(test)]
mod tests;
