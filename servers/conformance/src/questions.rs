//! Questions to the client, in the way of 2026-07-28 (SEP-2322): the server
//! answers a request with questions, and the client repeats the request with
//! its answers and with the state it was given. Nothing waits in between, so any
//! copy of the server can take the next round.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses};
use serde::Deserialize;

/// The rounds of questions of one tool or prompt.
#[derive(Deserialize)]
pub struct Questions {
    /// Whether the round is kept in sealed state. It must be, for more than one.
    #[serde(default)]
    sealed: bool,
    rounds: Vec<InputRequests>,
}

/// Where the conversation stands.
pub enum Asked {
    /// There is something to answer.
    Again(InputRequiredResult),
    /// All is answered: the last answers as JSON, and `state-ok` if the state was ours.
    Answered(String),
}

impl Questions {
    /// The step from what the client sent.
    ///
    /// Answers to other questions are ignored; a question without a usable
    /// answer is asked again.
    pub fn step(
        &self,
        name: &str,
        seal: &Seal,
        capabilities: &ClientCapabilities,
        responses: Option<&InputResponses>,
        state: Option<&str>,
    ) -> Result<Asked, ErrorData> {
        let opened = state.map(|state| seal.open(name, state).ok_or_else(tampered)).transpose()?;
        let round = opened.unwrap_or(0);
        let questions = self.askable(round, capabilities)?;
        let answers: Vec<_> = questions
            .keys()
            .filter_map(|key| responses?.get(key).filter(|answer| answer.is_object()).map(ToString::to_string))
            .collect();
        let answered = answers.len() == questions.len() && opened.is_some() == self.sealed;
        if !answered {
            return Ok(Asked::Again(self.again(name, seal, round, questions)));
        }
        if round + 1 < self.rounds.len() {
            let next = self.askable(round + 1, capabilities)?;
            return Ok(Asked::Again(self.again(name, seal, round + 1, next)));
        }
        let state = if self.sealed { "state-ok " } else { "" };
        Ok(Asked::Answered(format!("{state}{}", answers.join(" "))))
    }

    fn again(&self, name: &str, seal: &Seal, round: usize, questions: InputRequests) -> InputRequiredResult {
        InputRequiredResult::new(Some(questions), self.sealed.then(|| seal.close(name, round)))
    }

    /// The questions of a round that the client can answer; an error if there are none.
    fn askable(&self, round: usize, capabilities: &ClientCapabilities) -> Result<InputRequests, ErrorData> {
        let all = self.rounds.get(round).ok_or_else(tampered)?;
        let mut askable = all.clone();
        askable.retain(|_, question| declared(question, capabilities));
        if askable.is_empty() {
            return Err(ErrorData::missing_required_client_capability(needed(all)));
        }
        Ok(askable)
    }
}

fn tampered() -> ErrorData {
    ErrorData::invalid_params("requestState is not one that this server made", None)
}

fn declared(question: &InputRequest, capabilities: &ClientCapabilities) -> bool {
    match question {
        InputRequest::CreateMessage(_) => capabilities.sampling.is_some(),
        InputRequest::ListRoots(_) => capabilities.roots.is_some(),
        InputRequest::Elicitation(_) => capabilities.elicitation.is_some(),
        _ => false,
    }
}

fn needed(questions: &InputRequests) -> ClientCapabilities {
    let mut needed = ClientCapabilities::default();
    for question in questions.values() {
        match question {
            InputRequest::CreateMessage(_) => needed.sampling = Some(Default::default()),
            InputRequest::ListRoots(_) => needed.roots = Some(Default::default()),
            InputRequest::Elicitation(_) => needed.elicitation = Some(Default::default()),
            _ => {}
        }
    }
    needed
}

/// Signs the number of a round: the client sends it back with its answers, and cannot change it.
///
/// The key lives as long as the process. A server of several copies would share one.
pub struct Seal(hmac::Key);

impl Seal {
    /// A seal with a new random key. Fails if the system has no randomness.
    pub fn new() -> Result<Self, Unspecified> {
        Ok(Self(hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?))
    }

    fn close(&self, name: &str, round: usize) -> String {
        let tag = hmac::sign(&self.0, format!("{name} {round}").as_bytes());
        format!("{round}.{}", BASE64.encode(tag))
    }

    /// The round, if `state` was sealed by this seal and for `name`.
    fn open(&self, name: &str, state: &str) -> Option<usize> {
        let (round, tag) = state.split_once('.')?;
        let round: usize = round.parse().ok()?;
        let tag = BASE64.decode(tag).ok()?;
        hmac::verify(&self.0, format!("{name} {round}").as_bytes(), &tag).ok().map(|()| round)
    }
}
