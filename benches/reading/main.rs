//! What reading logs costs, and what is made of them, against the budgets of the design.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench prints figures")]

mod bursts;
mod frame;
mod store;
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut criterion, mut budgets) = (support::criterion(), support::Budgets::default());
    store::run(&mut criterion, &mut budgets);
    frame::run(&mut criterion, &mut budgets);
    bursts::run(&mut criterion, &mut budgets);
    criterion.final_summary();
    budgets.verdict()
}
