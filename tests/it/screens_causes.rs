//! The Timeline and Doctor as text, in three sizes.

use crate::flows_causes::{bursts, past, refused, run};
use crate::support::painted::{ALL, SMALL, body};
use crate::support::{Console, fixtures};
use quarterdeck::console::msg::Msg;
use quarterdeck::core::doctor::News;

fn snap(name: &str, console: &Console, sizes: &[(u16, u16)]) {
    for size in sizes {
        insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), body(console, *size));
    }
}

#[test]
fn timeline_states() {
    let mut console = Console::with(past());
    console.keys("5");
    snap("timeline", &console, ALL);
    console.keys("z<enter>");
    snap("timeline-log", &console, &[SMALL]);
    console.keys("5d");
    snap("timeline-described", &console, &[SMALL]);
    console.keys("<esc>?");
    snap("timeline-help", &console, &[SMALL]);
}

#[test]
fn timeline_bursts() {
    let mut console = Console::with(bursts());
    console.keys("5");
    snap("timeline-bursts", &console, &[SMALL, (120, 40)]);
    console.keys("/kind:refusals<enter>");
    snap("timeline-refusals", &console, &[SMALL]);
}

#[test]
fn fleet_says_why() {
    let mut world = fixtures::trouble();
    world.fleet.servers.remove(0);
    world.fleet.servers[0] = fixtures::server("time", 2);
    let mut console = Console::with(world);
    console.keys("G");
    snap("fleet-why", &console, ALL);
}

#[test]
fn timeline_errors() {
    let mut stale = Console::with(past());
    stale.keys("5");
    stale.world.down = Some(crate::support::unreachable());
    stale.tick(120);
    snap("timeline-stale", &stale, ALL);
    let mut world = past();
    world.history.gaps = vec!["stacks: cloudformation:DescribeStacks: access denied".into()];
    let mut gaps = Console::with(world);
    gaps.keys("5");
    snap("timeline-unread", &gaps, &[SMALL]);
}

#[test]
fn doctor_states() {
    let mut console = Console::new();
    let effects = console.keys("6");
    snap("doctor-begun", &console, &[SMALL]);
    run(&mut console, &effects, &refused());
    snap("doctor-broken", &console, ALL);
    console.keys("jjjjj");
    snap("doctor-odd", &console, &[SMALL]);
    let effects = console.keys("r");
    run(&mut console, &effects, &refused()[..5]);
    console.tick(75);
    snap("doctor-well", &console, &[SMALL]);
    let effects = console.keys("a");
    run(&mut console, &effects, &refused()[5..]);
    snap("doctor-all", &console, ALL);
    console.keys("?");
    snap("doctor-help", &console, &[SMALL]);
}

#[test]
fn doctor_under_way() {
    let mut console = Console::new();
    let effects = console.keys("6");
    let [quarterdeck::console::effect::Effect::Doctor(generation, _)] = effects[..] else { panic!("{effects:?}") };
    console.send(Msg::Doctor(generation, News::Begun("time".into())));
    refused().into_iter().take(3).for_each(|hop| drop(console.send(Msg::Doctor(generation, News::Found(hop)))));
    console.tick(7);
    snap("doctor-going", &console, ALL);
    console.keys("<esc>");
    snap("doctor-stopped", &console, &[SMALL]);
}
