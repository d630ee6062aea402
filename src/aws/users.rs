//! The people of a user pool.

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::types as sdk;

use super::AwsCloud;
use super::convert::{text, time};
use crate::cloud::{CloudResult, ErrorKind, Users};
use crate::core::text::sanitise;
use crate::core::user::{User, UserList};

const LIST: &str = "cognito-idp:ListUsers";
const GET: &str = "cognito-idp:AdminGetUser";
/// Pages that are read, of 60 users each (API reference, ListUsers): whoever looks for somebody says how they begin.
const PAGES: usize = 10;

#[async_trait]
impl Users for AwsCloud {
    async fn users(&self, pool: &str, beginning: &str) -> CloudResult<UserList> {
        self.within(LIST, self.read_users(pool, beginning)).await
    }

    async fn user(&self, pool: &str, name: &str) -> CloudResult<Option<User>> {
        self.within(GET, self.read_user(pool, name)).await
    }
}

impl AwsCloud {
    async fn read_users(&self, pool: &str, beginning: &str) -> CloudResult<UserList> {
        let mut list = UserList { pool: pool.to_owned(), ..UserList::default() };
        let mut token = None;
        for _ in 0..PAGES {
            let call = self.read.cognito.list_users().user_pool_id(pool).limit(60).set_filter(filter(beginning));
            let page = call.set_pagination_token(token).send().await.map_err(self.failed(LIST))?;
            list.users.extend(page.users().iter().filter_map(listed));
            token = page.pagination_token;
            if token.is_none() {
                break;
            }
        }
        list.more = token.is_some();
        list.users.sort_by(|a, b| a.called().cmp(b.called()));
        Ok(list)
    }

    pub(super) async fn read_user(&self, pool: &str, name: &str) -> CloudResult<Option<User>> {
        let call = self.read.cognito.admin_get_user().user_pool_id(pool).username(name);
        let found = match call.send().await.map_err(self.failed(GET)) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let status = found.user_status().map(sdk::UserStatusType::as_str);
        let person = person(Some(found.username()), found.user_attributes(), status, found.enabled());
        Ok(person.map(|person| User {
            created_at: time(found.user_create_date()),
            changed_at: time(found.user_last_modified_date()),
            ..person
        }))
    }
}

/// The filter for users whose address or name begins like this.
fn filter(beginning: &str) -> Option<String> {
    let quoted = beginning.replace('\\', "\\\\").replace('"', "\\\"");
    let attribute = if beginning.contains('@') { "email" } else { "username" };
    (!beginning.is_empty()).then(|| format!("{attribute} ^= \"{quoted}\""))
}

fn listed(found: &sdk::UserType) -> Option<User> {
    let status = found.user_status().map(sdk::UserStatusType::as_str);
    let person = person(found.username(), found.attributes(), status, found.enabled())?;
    let (created_at, changed_at) = (time(found.user_create_date()), time(found.user_last_modified_date()));
    Some(User { created_at, changed_at, ..person })
}

fn person(name: Option<&str>, attributes: &[sdk::AttributeType], status: Option<&str>, enabled: bool) -> Option<User> {
    let attribute = |wanted: &str| attributes.iter().find(|one| one.name() == wanted)?.value().map(sanitise);
    Some(User {
        name: text(Some(name?)),
        subject: attribute("sub").unwrap_or_default(),
        email: attribute("email"),
        status: text(status),
        enabled,
        created_at: None,
        changed_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", None)]
    #[case("ann", Some(r#"username ^= "ann""#))]
    #[case("ann@", Some(r#"email ^= "ann@""#))]
    #[case(r#"a"b\"#, Some(r#"username ^= "a\"b\\""#))]
    fn a_beginning_is_looked_for_as_it_is(#[case] beginning: &str, #[case] expected: Option<&str>) {
        assert_eq!(filter(beginning).as_deref(), expected);
    }
}
