//! A console to which anything may happen in any order, and what it has asked for on its way.

use quarterdeck::console::effect::Effect;
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::place::PlaceId;
use quarterdeck::console::update::update;
use quarterdeck::core::destination::Destination;

use super::{at, parse};

pub struct Journey {
    pub model: Model,
    now: i64,
    /// What was ever begun, with the place where.
    pub begun: Vec<(PlaceId, Effect)>,
    /// Places that were asked for, to stand beside.
    pub joins: Vec<(PlaceId, Destination)>,
    /// The same, to go there.
    pub enters: Vec<(PlaceId, Destination)>,
}

impl Journey {
    pub fn new(model: Model) -> Self {
        let mut journey = Self { model, now: 0, begun: Vec::new(), joins: Vec::new(), enters: Vec::new() };
        journey.pass(0);
        journey
    }

    pub fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        let shown = self.model.place.shown();
        for effect in effects {
            match effect {
                Effect::Join(id, to) => self.joins.push((id, to)),
                Effect::Enter(id, to) => self.enters.push((id, to)),
                Effect::Of(place, effect) => self.begun.push((place, *effect)),
                other => self.begun.push((shown, other)),
            }
        }
    }

    pub fn keys(&mut self, keys: &str) {
        parse(keys).into_iter().for_each(|press| self.send(Msg::Key(press)));
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        self.send(Msg::Tick(at(self.now)));
    }
}

/// One of all: the newest is 0, and any number means one.
pub fn pick<T: Clone>(all: &[T], which: usize) -> Option<T> {
    all.len().checked_sub(1).map(|last| all[last - which % all.len()].clone())
}
