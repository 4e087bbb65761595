//! The redirect's side: where it stands, and what was asked of the API server.

use crate::k8s::{Account, Call};
use crate::redirect::Standing;
use crate::telemetry::{Metric, Value};

/// What the agent's account says.
pub(super) fn of_redirect(account: &Account) -> Vec<Metric> {
    let standing = account.report().standing;
    let stands = Standing::ALL.map(|one| (one.label().to_owned(), Value::Gauge((one == standing).into())));
    let calls = |of: fn((u64, u64)) -> u64| Call::ALL.map(|call| (call.label().to_owned(), Value::Counter(of(account.calls(call)))));
    vec![
        Metric::by("doorstep_redirect_standing", "1 where the redirect stands as this agent sees it", "standing", stands),
        Metric::by(
            "doorstep_redirect_calls",
            "Calls to the API server that were done; of a watch, each event",
            "call",
            calls(|(done, _)| done),
        ),
        Metric::by("doorstep_redirect_errors", "Calls to the API server that failed", "call", calls(|(_, failed)| failed)),
    ]
}
