//! doorstep: a node-local DNS cache for Kubernetes clusters that run Cilium. The floor plan is in `lib.rs`.

use std::process::ExitCode;

use doorstep::command;
use doorstep::config::args::{self, Invocation};

fn main() -> ExitCode {
    match args::parse() {
        Invocation::Serve(args) => command::serve::run(&args),
        Invocation::Check(args) => command::check::run(&args.file, args.output),
        Invocation::Demo(args) => command::demo::run(&args),
        Invocation::Render(args) => command::render::run(&args),
        Invocation::Preflight(args) => command::preflight::run(&args),
        Invocation::Status(args) => command::status::run(&args),
        Invocation::Redirect(args) => command::redirect::run(&args),
    }
}
