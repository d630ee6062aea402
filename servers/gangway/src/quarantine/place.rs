//! Where the list is.

use super::credentials::Source;
use crate::config::{ConfigError, Env};

const TABLE: &str = "GANGWAY_QUARANTINE_TABLE";
const ENDPOINT: &str = "GANGWAY_QUARANTINE_ENDPOINT";

/// The table with the list, and who reads it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name.
    pub(super) table: String,
    pub(super) region: String,
    /// Without a slash at the end.
    pub(super) endpoint: String,
    pub(super) credentials: Source,
}

impl Place {
    /// Reads where the list is: `GANGWAY_QUARANTINE_TABLE`, the ARN of a DynamoDB table, and for another endpoint than
    /// AWS's `GANGWAY_QUARANTINE_ENDPOINT`. The credentials are those of AWS's own variables. `None` if there is no
    /// table: nobody is kept out then.
    ///
    /// # Errors
    /// If either is not what it must be, or the table is of a partition whose endpoint is not known here.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let endpoint = env.url(ENDPOINT)?;
        let Some(table) = env.get(TABLE) else { return Ok(None) };
        let wrong = || ConfigError::new(TABLE, "must be the ARN of a DynamoDB table");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        let ["arn", partition, "dynamodb", region, _, name] = table.split(':').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let Some(name) = name.strip_prefix("table/") else { return Err(wrong()) };
        if region.is_empty() || !table.chars().all(plain) {
            return Err(wrong());
        }
        // AWS General Reference, "Amazon DynamoDB endpoints and quotas".
        let suffix = match partition {
            "aws" | "aws-us-gov" => Some("amazonaws.com"),
            "aws-cn" => Some("amazonaws.com.cn"),
            _ => None,
        };
        let own = suffix.map(|suffix| format!("https://dynamodb.{region}.{suffix}"));
        let credentials = Source::from_env(env, endpoint.is_some());
        let region = region.to_owned();
        let unknown =
            || ConfigError::new(ENDPOINT, format!("must be set: the partition {partition} is not known here"));
        let endpoint = endpoint.or(own).ok_or_else(unknown)?;
        let table = name.to_owned();
        Ok(Some(Self { table, region, endpoint, credentials }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &str, endpoint: &str) -> Result<Option<(String, String)>, String> {
        let (table, endpoint) = (table.to_owned(), endpoint.to_owned());
        let env = Env::from_fn(move |name| match name {
            TABLE => Some(table.clone()),
            ENDPOINT => Some(endpoint.clone()),
            _ => None,
        });
        let place = Place::from_env(&env).map_err(|error| error.to_string())?;
        Ok(place.map(|place| (place.region, place.endpoint)))
    }

    #[test]
    fn the_table_says_where_it_is() {
        let found = |region: &str, endpoint: &str| Ok(Some((region.to_owned(), endpoint.to_owned())));
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/quarterdeck-prod-quarantine";
        assert_eq!(of(arn, ""), found("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com"));
        assert_eq!(of(arn, "http://10.0.0.1:4566/"), found("eu-west-1", "http://10.0.0.1:4566"));
        let china = "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/t";
        assert_eq!(of(china, ""), found("cn-north-1", "https://dynamodb.cn-north-1.amazonaws.com.cn"));
        let iso = "arn:aws-iso:dynamodb:us-iso-east-1:123456789012:table/t";
        assert!(of(iso, "").unwrap_err().contains("aws-iso"));
        assert_eq!(of(iso, "https://d.example"), found("us-iso-east-1", "https://d.example"));
        assert_eq!(of("", ""), Ok(None));
        assert_eq!(of("", "http://a"), Ok(None));
        for wrong in [
            "table",
            "arn:aws:s3:::b",
            "arn:aws:dynamodb::1:table/t",
            "arn:aws:dynamodb:r\"x:1:table/t",
            "arn:aws:dynamodb:r:1:stream/t",
        ] {
            assert!(of(wrong, "").unwrap_err().contains(TABLE), "{wrong}");
        }
        assert!(of(arn, "ftp://a").unwrap_err().contains(ENDPOINT));
    }
}
