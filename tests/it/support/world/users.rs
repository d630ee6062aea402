//! The people of the user pool.

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::State;

#[derive(Debug, Clone)]
pub struct User {
    pub subject: String,
    pub enabled: bool,
    /// Whether what was given to them can still be refreshed.
    pub refreshes: bool,
}

impl User {
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.into(), enabled: true, refreshes: true }
    }

    fn attributes(&self, name: &str) -> Value {
        json!([{ "Name": "sub", "Value": self.subject }, { "Name": "email", "Value": format!("{name}@example.com") }])
    }
}

impl State {
    pub(super) fn users_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        let users = ["AdminGetUser", "AdminUserGlobalSignOut", "AdminDisableUser", "AdminEnableUser"];
        if call == "ListUsers" {
            let row = |(name, user): (&String, &User)| {
                json!({ "Username": name, "Attributes": user.attributes(name), "Enabled": user.enabled,
                    "UserStatus": "CONFIRMED", "UserCreateDate": 1.0 })
            };
            return Some(Reply::json(200, json!({ "Users": self.users.iter().map(row).collect::<Vec<_>>() })));
        }
        if !users.contains(&call) {
            return None;
        }
        let wanted = body["Username"].as_str().unwrap_or_default();
        // The pool takes an address as an alias.
        let name = wanted.strip_suffix("@example.com").unwrap_or(wanted).to_owned();
        let Some(user) = self.users.get_mut(&name) else {
            return Some(Reply::error(400, "UserNotFoundException", "User does not exist."));
        };
        match call {
            "AdminGetUser" => {
                return Some(Reply::json(
                    200,
                    json!({ "Username": name, "UserAttributes": user.attributes(&name), "Enabled": user.enabled,
                        "UserStatus": "CONFIRMED", "UserCreateDate": 1.0 }),
                ));
            }
            // AWS does not say that this works, so nobody may rely on it.
            "AdminUserGlobalSignOut" if !user.enabled => {
                return Some(Reply::error(400, "NotAuthorizedException", "User is disabled."));
            }
            "AdminUserGlobalSignOut" => user.refreshes = false,
            "AdminDisableUser" => user.enabled = false,
            _ => user.enabled = true,
        }
        self.wrote(operator, format!("{call} {name}"));
        Some(Reply::json(200, json!({})))
    }
}
