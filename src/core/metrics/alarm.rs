//! Alarms of CloudWatch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// An alarm on a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    pub name: String,
    /// What it is for, in the words of whoever made it.
    pub description: String,
    pub state: AlarmState,
    /// Why it is in that state, in CloudWatch's words.
    pub reason: String,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
    pub metric: String,
    /// Of the metric, by name.
    pub dimensions: BTreeMap<String, String>,
}

/// That an alarm went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmChange {
    /// Name of the alarm.
    pub alarm: String,
    pub at: Timestamp,
    pub from: AlarmState,
    pub to: AlarmState,
    /// Why, in CloudWatch's words.
    pub reason: Option<String>,
}

/// The state of an alarm (API reference, MetricAlarm, StateValue).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
    /// One that AWS has made since.
    Other(String),
}

impl From<&str> for AlarmState {
    fn from(word: &str) -> Self {
        match word {
            "OK" => Self::Ok,
            "ALARM" => Self::Alarm,
            "INSUFFICIENT_DATA" => Self::InsufficientData,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl AlarmState {
    pub fn word(&self) -> &str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "no data",
            Self::Other(word) => word,
        }
    }
}
