//! `doorstep status`: what the cluster says of the redirect and its agents.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};

use super::terminal::{complain, print};
use crate::config::File;
use crate::config::args::Output;
use crate::config::operator::{ClusterArgs, StatusArgs};
use crate::k8s::{Access, Config, Operator, OperatorError, Sight};
use crate::redirect::{CiliumConfig, PEOPLE, Standing};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Asks the cluster. Exit codes: 0 it answered, whatever it says; 1 it did not.
pub fn run(args: &StatusArgs) -> ExitCode {
    look(&args.cluster)
}

/// Asks the cluster that the flags name and prints what it says; exit codes as of [`run`].
pub(super) fn look(args: &ClusterArgs) -> ExitCode {
    let sight = at_cluster(args, async |operator| {
        let told = told(&operator).await?;
        operator.knowing(told).look(now()).await
    });
    match sight {
        Ok(sight) => {
            show(&sight, args.output);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, args.output),
    }
}

/// Does something at the cluster that the flags name.
///
/// # Errors
/// What the cluster says, or why it says nothing.
pub(super) fn at_cluster<T>(args: &ClusterArgs, what: impl AsyncFnOnce(Operator) -> Result<T, OperatorError>) -> Result<T, OperatorError> {
    let config = Config {
        access: Access::Kubeconfig { path: args.kubeconfig.clone(), context: args.context.clone() },
        namespace: args.namespace.clone(),
        daemon_set: args.daemonset.clone(),
        dns_service: args.dns_service.clone(),
        pod_name: String::new(),
        asks: Vec::new(),
        serves: None,
        template: None,
        cilium: CiliumConfig::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| OperatorError::Access(format!("the operating system refuses: {error}")))?;
    runtime.block_on(async { what(Operator::connect(config).await?).await })
}

/// What the agents were told of Cilium and of network policies, which decides what they do. A file that they refuse decides nothing.
///
/// # Errors
/// The cluster does not answer.
pub(super) async fn told(operator: &Operator) -> Result<CiliumConfig, OperatorError> {
    let file = operator.configuration().await?.and_then(|text| File::parse(&text).ok());
    Ok(file.unwrap_or_default().cilium)
}

/// Says what is wrong; exit code 1.
pub(super) fn fail(error: &impl std::fmt::Display, output: Output) -> ExitCode {
    match output {
        Output::Text => complain(format_args!("doorstep: {error}")),
        Output::Json => print(format_args!("{}", serde_json::json!({ "error": error.to_string() }))),
    }
    ExitCode::FAILURE
}

/// Prints what the cluster says.
fn show(sight: &Sight, output: Output) {
    match output {
        Output::Text => print(format_args!("{}", text(sight))),
        Output::Json => print(format_args!("{}", serde_json::json!(sight))),
    }
}

fn text(sight: &Sight) -> String {
    let redirect = &sight.redirect;
    let style = match redirect.standing {
        Standing::Live => GOOD,
        Standing::Held | Standing::Still => BAD,
        _ => Style::new(),
    };
    let switch = redirect.switch.map_or_else(|| "not known".to_owned(), |word| format!("{word} (ConfigMap {PEOPLE})"));
    let policy = match (&redirect.policy, &redirect.emitted) {
        (Some(uid), Some(emitted)) if *uid == emitted.uid => "stands",
        (Some(_), _) => "stands, not recorded yet",
        (None, Some(_)) => "recorded, but absent",
        (None, None) => "none",
    };
    let pods = &sight.pods;
    let agents = match pods.installed {
        true => format!("{} of {} available, {} of the newest template", pods.available, pods.wanted, pods.updated),
        false => "no DaemonSet".to_owned(),
    };
    let mut lines = vec![
        format!("redirect  {style}{}{style:#}", redirect.standing.label()),
        format!("switch    {switch}"),
        format!("policy    {policy}"),
        format!("agents    {agents}"),
    ];
    lines.extend(redirect.reasons.iter().map(|reason| format!("reason    {reason}")));
    lines.extend(redirect.cures.iter().map(|cure| format!("{FAINT}cure{FAINT:#}      {cure}")));
    lines.join("\n")
}

/// Since the epoch.
#[expect(clippy::disallowed_methods, reason = "a command's edge reads the clock")]
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Pods;
    use crate::redirect::{Emitted, Report};

    fn sight(standing: Standing) -> Sight {
        let emitted = Some(Emitted { uid: "u1".to_owned(), owner: "ds".to_owned(), spec: "s".to_owned() });
        let redirect = Report { standing, switch: Some("on"), emitted, policy: Some("u1".to_owned()), ..Report::default() };
        Sight { redirect, pods: Pods { installed: true, wanted: 3, updated: 2, available: 3 } }
    }

    #[test]
    fn people_read_the_standing_first_and_the_cure_last() {
        let mut sight = sight(Standing::Held);
        sight.redirect.policy = None;
        sight.redirect.emitted = None;
        sight.redirect.reasons = vec!["a reason".to_owned()];
        sight.redirect.cures = vec!["a cure".to_owned()];
        let shown = anstream::adapter::strip_str(&text(&sight)).to_string();
        let expected = "redirect  held\nswitch    on (ConfigMap doorstep-redirect)\npolicy    none\n\
            agents    3 of 3 available, 2 of the newest template\nreason    a reason\ncure      a cure";
        assert_eq!(shown, expected);
    }

    #[test]
    fn scripts_read_the_same_as_json() {
        let said = serde_json::json!(sight(Standing::Live));
        assert_eq!((said["redirect"]["standing"].as_str(), said["redirect"]["switch"].as_str()), (Some("live"), Some("on")));
        assert_eq!(said["pods"], serde_json::json!({ "installed": true, "wanted": 3, "updated": 2, "available": 3 }));
    }
}
