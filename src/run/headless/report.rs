//! What a command has found in a place, and in several side by side.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::{Exit, Failure, Output, StatusOptions, json as print_json, line, progress, status, why, written};
use crate::run::Session;

/// What a command has found in a place.
pub(super) struct Report {
    pub text: String,
    pub document: Value,
    /// What was not read, in lines for stderr.
    pub warnings: Vec<String>,
    pub exit: Exit,
}

impl Report {
    /// Prints it; the exit code.
    pub(super) fn print(self, output: Output) -> Result<Exit, Failure> {
        written(match output {
            Output::Json => print_json(&self.document),
            Output::Text => line(&self.text),
        })?;
        self.warnings.iter().for_each(|warning| progress(&format!("warning: {warning}")));
        Ok(self.exit)
    }
}

/// What can be asked of several places at once.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// As [`status`](status()).
    Status(&'a StatusOptions),
    /// As [`why`](why()), of this server or of all.
    Why(Option<&'a str>),
}

/// One of several places: its name, such as `prod eu-west-1`, and the session with it or why there is none.
pub type Asked = (String, Result<Session, Failure>);

/// Asks several places at once, and prints what each has answered as it comes: text under the place's name, JSON as one
/// document `{"places": [{"place": …, "answer": …} or {"place": …, "error": …}, …]}` in the order in which they were
/// named. None waits for another. The code is 0 where it is 0 in each, that of the one that is not 0 where it is alone,
/// else 1.
///
/// # Errors
/// When it cannot be written. A place that cannot be read is told with the others.
pub async fn across(places: Vec<Asked>, question: Question<'_>, output: Output) -> Result<Exit, Failure> {
    let ask = |(index, (name, session)): (usize, Asked)| async move {
        let report = async {
            let session = session?;
            match question {
                Question::Status(options) => status::report(&session, options).await,
                Question::Why(server) => why::report(&session, server).await,
            }
        };
        (index, name, report.await)
    };
    let mut coming: FuturesUnordered<_> = places.into_iter().enumerate().map(ask).collect();
    let (mut documents, mut exits) = (Vec::new(), Vec::new());
    while let Some((index, name, report)) = coming.next().await {
        let (text, document, warnings, exit) = match report {
            Ok(report) => {
                (report.text, json!({ "place": name, "answer": report.document }), report.warnings, report.exit)
            }
            Err(failure) => {
                let hint = failure.hint().map(|hint| format!("\n  {hint}")).unwrap_or_default();
                let document = json!({ "place": name, "error": failure.to_string() });
                (format!("not read: {failure}{hint}"), document, Vec::new(), failure.exit())
            }
        };
        if output == Output::Text {
            let gap = if documents.is_empty() { "" } else { "\n" };
            written(line(&format!("{gap}== {name}\n{text}")))?;
        }
        warnings.iter().for_each(|warning| progress(&format!("warning: {name}: {warning}")));
        documents.push((index, document));
        exits.push(exit);
    }
    documents.sort_by_key(|(index, _)| *index);
    if output == Output::Json {
        let documents: Vec<Value> = documents.into_iter().map(|(_, document)| document).collect();
        written(print_json(&json!({ "places": documents })))?;
    }
    Ok(worst(&exits))
}

/// The code of several.
fn worst(exits: &[Exit]) -> Exit {
    let wrong: Vec<Exit> = exits.iter().copied().filter(|exit| *exit != Exit::Done).collect();
    match wrong.as_slice() {
        [] => Exit::Done,
        [one] => *one,
        _ => Exit::Failed,
    }
}
