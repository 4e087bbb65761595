//! doorstep: a node-local DNS cache for Kubernetes clusters that run Cilium.
//!
//! # One query, one walk
//!
//! ```text
//! client ──dns──► listen → wire → rules → cache ─┬─► reply          a plain call: no await, no spawn, no allocation
//!                                                └─► coalesce → upstream → cache → reply
//! ```
//!
//! # The floor plan, in walking order
//!
//! | level | room | what it holds | may import |
//! |---|---|---|---|
//! | 6 | `main`, [`app`], [`command`] | composition root and the commands | everything |
//! | 5 | [`config`] | argv, environment, the file; joins the rooms' own configurations | what may be set of [`listen`], [`admin`], [`k8s`], [`rules`], [`cache`], [`coalesce`], [`upstream`], [`lifecycle`], [`telemetry`]; [`wire`] |
//! | 4 | [`listen`] | sockets and nothing else | [`wire`], [`lifecycle`] |
//! | 4 | [`k8s`] | the API server: watches, looks, acts, events | [`redirect`], [`lifecycle`] |
//! | 4 | [`admin`] | HTTP for probes, scrapers, people | [`lifecycle`], [`telemetry`] |
//! | 3 | [`resolve`] | the spine: query to answer | [`rules`], [`cache`], [`coalesce`], [`upstream`], [`wire`] |
//! | 2 | [`upstream`] | one question out, one checked answer in | [`wire`], [`lifecycle`] |
//! | 1 | [`rules`] | what may be decided before any lookup | [`wire`], profiles of [`cache`] |
//! | 1 | [`cache`] | bytes of memory | [`wire`] |
//! | 1 | [`coalesce`] | one leader per question, the others wait | [`wire`] |
//! | 0 | [`wire`] | bytes ↔ meaning | – |
//! | 0 | [`redirect`] | what the CiliumLocalRedirectPolicy must say, what an agent does about it, and which network policies it would collide with | – |
//! | 0 | [`lifecycle`] | readiness, drain, supervision | – |
//! | 0 | [`telemetry`] | logs, the metrics page | – |
//!
//! # Where to add
//!
//! | what | where |
//! |---|---|
//! | a record type whose RDATA holds names | a row of `wire::record`'s table; every other type passes as it is (RFC 3597) |
//! | a kind of rule | [`rules`], then `config::file::queries` |
//! | an upstream transport | `upstream::Server` and `upstream::endpoint`, which asks it; its URL in `config::value` |
//! | a gate | its name in `redirect::Gate`, which leads to all that must say something of it; a pure function in `redirect::gates` (Cilium's own: `redirect::cilium`); what it reads: `k8s::cluster` (network policies: `k8s::policies`), and a row in `manifests/base/rbac*.yaml` |
//! | a metric | the counts in their room, the names in `app::metrics`, a row in README's table; a way for a query to end: `resolve::Outcome`, placed in `app::metrics::queries` |
//! | a key of the file | `config::file`; a flag: `config::args`, of a command that asks a cluster `config::operator`; a command: [`command`] |
//! | what an RFC says of answers | a row in `integration/answers/rows.txt`, and the scenario that shows it |
//! | a scenario | `integration/scenarios` in front of a CoreDNS, `integration/proof/scenarios` of failing upstreams, `integration/cluster_tests/scenarios` on a cluster |
//!
//! # Invariants
//!
//! 1. The redirect side and the query side do not know each other; they meet in [`app`] through [`lifecycle`].
//! 2. [`wire`], [`rules`], [`cache`], [`redirect`], `upstream::select`, `upstream::discovery`, `listen::rates` and `lifecycle::verdict` hold no async, no socket, no clock;
//!    `now` is an argument.
//! 3. A cache hit is a plain call.
//! 4. argv and environment are read in `config::args` alone; there is no `static` but constants.
//! 5. `unsafe` stands in one file: `listen::batch`.
//! 6. No room sees the whole configuration, the registry or the application.
//! 7. Shutdown has one order, in [`app`].

pub mod admin;
pub mod app;
pub mod cache;
pub mod coalesce;
pub mod command;
pub mod config;
pub mod k8s;
pub mod lifecycle;
pub mod listen;
pub mod redirect;
pub mod resolve;
pub mod rules;
pub mod telemetry;
pub mod upstream;
pub mod wire;
