//! Tokens that a server must refuse, made by the emulator's own user pool, so that their signatures are right.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::emulated::Emulated;
use crate::local::LocalOptions;
use crate::local::error::LocalError;
use crate::local::state_file::StateFile;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// It has expired.
    Expired,
    /// It is for another server.
    OfAnother,
    /// It is an id token.
    Id,
}

/// Name of the client that is made for a token, and deleted.
const NAME: &str = "quarterdeck-gameday";
/// Name of the user, the same: our pools know people by their addresses.
const USER: &str = "gameday@example.com";
/// A password that any of our pools takes.
const PASSWORD: &str = "Game-day-1-of-many!";

/// A token that has expired, or an id token, for a server whose scope is given. The client, and the user, that it is
/// made with are deleted again. A token for another server needs nothing of this: that server's client gives it.
///
/// # Errors
/// When the local cloud does not run, or the emulator refuses.
pub async fn forge(
    options: &LocalOptions,
    region: &str,
    pool: &str,
    scope: &str,
    kind: BadToken,
) -> Result<SecretString, LocalError> {
    let emulated = super::emulated(&StateFile::load(&options.dirs()?).await?, region).await?;
    let client = emulated.cognito("CreateUserPoolClient", &client(pool, scope, kind)).await?;
    let client = &client["UserPoolClient"];
    let id = client["ClientId"].as_str().unwrap_or_default().to_owned();
    let made = match kind {
        BadToken::Id => id_token(&emulated, pool, &id).await,
        _ => {
            let secret = client["ClientSecret"].as_str().unwrap_or_default();
            emulated.token(&id, secret, scope).await.map(|made| made["access_token"].clone())
        }
    };
    emulated.cognito("DeleteUserPoolClient", &json!({ "UserPoolId": pool, "ClientId": id })).await?;
    let reason = || "it gives no token".to_owned();
    let token = made?.as_str().map(str::to_owned);
    token
        .map(Into::into)
        .ok_or_else(|| LocalError::Emulated { call: "the token endpoint".to_owned(), reason: reason() })
}

/// The client that the token is for. AWS would refuse a life of less than five minutes (Cognito API reference,
/// CreateUserPoolClient); the emulator takes a negative one, so that the token is old when it is made. Servers allow
/// for clocks that differ by half a minute.
fn client(pool: &str, scope: &str, kind: BadToken) -> Value {
    let mut client = json!({ "UserPoolId": pool, "ClientName": NAME, "GenerateSecret": kind != BadToken::Id });
    let more = match kind {
        BadToken::Id => json!({ "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"] }),
        BadToken::Expired | BadToken::OfAnother => json!({
            "AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthScopes": [scope],
            "AccessTokenValidity": -120, "TokenValidityUnits": { "AccessToken": "seconds" },
        }),
    };
    if let (Some(client), Value::Object(more)) = (client.as_object_mut(), more) {
        client.extend(more);
    }
    client
}

async fn id_token(emulated: &Emulated, pool: &str, client: &str) -> Result<Value, LocalError> {
    let user = |more: Value| {
        let mut body = json!({ "UserPoolId": pool, "Username": USER });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    emulated.cognito("AdminCreateUser", &user(json!({ "MessageAction": "SUPPRESS" }))).await?;
    let password = user(json!({ "Password": PASSWORD, "Permanent": true }));
    let set = emulated.cognito("AdminSetUserPassword", &password).await;
    let auth = json!({
        "UserPoolId": pool, "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
        "AuthParameters": { "USERNAME": USER, "PASSWORD": PASSWORD },
    });
    let signed_in = match set {
        Ok(_) => emulated.cognito("AdminInitiateAuth", &auth).await,
        Err(error) => Err(error),
    };
    emulated.cognito("AdminDeleteUser", &user(json!({}))).await?;
    Ok(signed_in?["AuthenticationResult"]["IdToken"].clone())
}
