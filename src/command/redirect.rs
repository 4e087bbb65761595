//! `doorstep redirect on|off|drain|status`: the switch of the whole cluster.

use std::process::ExitCode;

use super::status::{at_cluster, fail, look, now};
use super::terminal::print;
use crate::config::args::Output;
use crate::config::operator::{RedirectArgs, RedirectWish};
use crate::redirect::{DRAIN_OVER, Switch};

/// Writes the switch and says what will happen, or shows how it stands. Exit codes: 0 done, 1 the cluster refuses or does not answer.
pub fn run(args: &RedirectArgs) -> ExitCode {
    let output = args.cluster.output;
    let over = args.over.unwrap_or(DRAIN_OVER);
    let (switch, what) = match args.what {
        RedirectWish::Status => return look(&args.cluster),
        RedirectWish::On => {
            (Switch::On, "an agent that is ready creates the policy within a minute, unless something is in its way".to_owned())
        }
        RedirectWish::Off => (Switch::Off, "the policy goes within seconds; clients ask kube-dns".to_owned()),
        RedirectWish::Drain => {
            let within = humantime::format_duration(over);
            (Switch::Drain, format!("the agents leave one by one within {within}, then the policy goes"))
        }
    };
    match at_cluster(&args.cluster, async |operator| operator.switch(switch, over, now()).await) {
        Ok(()) => {
            match output {
                Output::Text => print(format_args!("redirect {}: {what}; see: doorstep redirect status", switch.word())),
                Output::Json => print(format_args!("{}", serde_json::json!({ "redirect": switch.word() }))),
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, output),
    }
}
