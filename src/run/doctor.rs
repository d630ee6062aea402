//! Goes the way of a client link by link, until one is broken. `core` says what to ask and what the answers mean.

mod inside;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use self::inside::Named;
use super::{Session, read};
use crate::cloud::{CloudError, ErrorKind, Outside, TokenAnswer};
use crate::core::doctor::judge::{self, Issuer};
use crate::core::doctor::token::{Check, Expected, Token};
use crate::core::doctor::{Ask, Fix, Heard, Hop, Link, REQUEST_ID, Session as Agreed, State, UNSIGNED, issuer_urls};
use crate::core::environment::names;
use crate::core::error::Hand;
use crate::core::finding::{Cause, findings, of_stacks};
use crate::core::fleet::{Served, Server};
use crate::core::health::verdict;
use crate::core::operation::work::{Label, TokenProbe, Version};
use crate::core::reach::{Broken, Hop as BrokenAt, metadata_url};
use crate::core::stack::Stack;
use crate::core::text::sanitise;

/// Most authorization servers of a server that are asked: whoever wrote its metadata could name any number.
const ISSUERS: usize = 3;
/// How long one of them may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the access token comes from.
pub enum Credentials {
    /// It was given.
    Given(SecretString),
    /// A machine client's stored secret.
    Machine(TokenProbe),
    /// There is none, and why.
    None(String),
}

/// Takes each hop as soon as it is there.
pub type Tell<'a> = &'a (dyn Fn(&Hop) + Sync);

/// The hops so far.
struct Hops<'a> {
    all: Vec<Hop>,
    tell: Tell<'a>,
}

impl<'a> Hops<'a> {
    fn new(tell: Tell<'a>) -> Self {
        Self { all: Vec::new(), tell }
    }

    fn push(&mut self, hop: Hop) {
        (self.tell)(&hop);
        self.all.push(hop);
    }
}

/// Milliseconds since then.
fn since(begun: Instant) -> Option<u64> {
    u64::try_from(begun.elapsed().as_millis()).ok()
}

/// That nobody answered. What stands before an address of others is not known.
fn unheard(broken: &Broken, ours: bool) -> State {
    let fix = match broken.hop {
        hop if ours => hop.look_at(),
        BrokenAt::Dns => "see whether the name is right, and has a record",
        _ => "see whether a server listens there, and what stands before it: a firewall, a proxy, its certificate",
    };
    State::broken(broken.why.clone(), fix)
}

fn failed(error: &CloudError) -> State {
    State::broken(error.to_string(), Fix::Call(error.clone()))
}

/// The way to one server of the environment: first what AWS says of it, then as a client goes it. Each hop is told
/// when it is there; all of them are returned.
pub async fn server(
    session: &Session,
    outside: &dyn Outside,
    name: &str,
    given: Option<SecretString>,
    tell: Tell<'_>,
) -> Vec<Hop> {
    let mut hops = Hops::new(tell);
    to_server(session, outside, name, given, &mut hops).await;
    hops.all
}

async fn to_server(
    session: &Session,
    outside: &dyn Outside,
    name: &str,
    given: Option<SecretString>,
    hops: &mut Hops<'_>,
) {
    let begun = Instant::now();
    let identity = session.cloud.identity().await;
    let state = match &identity {
        Ok(identity) => State::well(format!("account {}, {}", identity.account, identity.arn)),
        Err(error) => failed(error),
    };
    hops.push(Hop { link: Link::Credentials, state, millis: since(begun) });
    if identity.is_err() {
        return;
    }
    let stacks = stacks(session, name, hops).await;
    let service = service(session, name, hops).await;
    let own = stacks.iter().find(|stack| stack.id.name == names::stack(&session.context.environment, name));
    let Some(url) = own.and_then(|stack| stack.outputs.get("ResourceUrl")) else {
        let why = "its stack does not say at which address it is; name a URL to go on from there";
        hops.push(Hop { link: Link::Metadata, state: State::skipped(why), millis: None });
        return;
    };
    let credentials = match given {
        Some(token) => Credentials::Given(token),
        None => machine(session, own, &stacks),
    };
    let last = to_address(Some(session), outside, url, credentials, hops).await;
    if let Some((service, last)) = service.zip(last) {
        hops.push(inside::of_server(session, service, &last).await);
    }
}

/// How the server's own machine client gets a token.
fn machine(session: &Session, own: Option<&Stack>, stacks: &[Stack]) -> Credentials {
    let platform = names::stack(&session.context.environment, "platform");
    let platform = stacks.iter().find(|stack| stack.id.name == platform);
    let endpoint = platform.and_then(|stack| stack.outputs.get("TokenEndpoint"));
    let secret = own.and_then(|stack| stack.outputs.get("MachineSecretName"));
    match (secret, endpoint) {
        (Some(secret), Some(endpoint)) => Credentials::Machine(TokenProbe {
            secret: secret.clone(),
            version: Version::Labelled(Label::Current),
            endpoint: endpoint.clone(),
            scopes: Vec::new(),
        }),
        _ => Credentials::None("the stacks name no machine client or no token endpoint".to_owned()),
    }
}

/// The stacks that the server rests on.
async fn stacks(session: &Session, name: &str, hops: &mut Hops<'_>) -> Vec<Stack> {
    let begun = Instant::now();
    let stacks = match read::stacks_under(session, name).await {
        Ok(stacks) => stacks,
        Err(error) => {
            hops.push(Hop { link: Link::Stacks, state: failed(&error), millis: since(begun) });
            return Vec::new();
        }
    };
    let mut seen = Vec::new();
    for stack in stacks.iter().filter(|stack| stack.status.failed()) {
        seen.push((stack.clone(), Some(session.cloud.stack_detail(&stack.id).await.into())));
    }
    let found = of_stacks(&seen);
    let state = match found.first() {
        Some(first) => State::broken(format!("{}: {}", first.fact, first.evidence), first.id),
        None if stacks.is_empty() => State::skipped("the environment has no stack; the service may be of others"),
        None => match stacks.iter().find(|stack| stack.status.busy()) {
            Some(busy) => State::odd(format!("{} is {}", busy.id.name, busy.status.0), "wait until it is done"),
            None => State::well(format!("{} stacks, none failed", stacks.len())),
        },
    };
    hops.push(Hop { link: Link::Stacks, state, millis: since(begun) });
    stacks
}

/// The service and its targets.
async fn service(session: &Session, name: &str, hops: &mut Hops<'_>) -> Option<Server> {
    let begun = Instant::now();
    let found = read::server(session, &session.context.cluster, name).await;
    let millis = since(begun);
    let (service, targets) = match &found {
        Err(error) => (failed(error), State::skipped("the service was not read")),
        Ok(None) => {
            let why = format!("there is no service {name} in cluster {}", session.context.cluster);
            (State::broken(why, "deploy it, or correct the name"), State::skipped("there is no service"))
        }
        Ok(Some(server)) => (of_service(server), of_targets(server)),
    };
    hops.push(Hop { link: Link::Service, state: service, millis });
    hops.push(Hop { link: Link::Targets, state: targets, millis: None });
    found.ok().flatten()
}

fn of_service(server: &Server) -> State {
    let now = jiff::Timestamp::now();
    let word = verdict(server, now).word();
    let all = findings(server, now);
    match Cause::of(&all).map(|cause| cause.finding) {
        Some(cause) => {
            let why = format!("{word}: {}: {}: {}", cause.id.word(), cause.fact, cause.evidence);
            if server.running == 0 { State::broken(why, cause.id) } else { State::odd(why, cause.id) }
        }
        None => State::well(format!("{word}, {}/{} tasks", server.running, server.wanted())),
    }
}

fn of_targets(server: &Server) -> State {
    let served: Vec<Served<'_>> = server.served().collect();
    match served.first() {
        None => State::skipped("it has no load balancer"),
        Some(Served::Unread(group, why)) => State::skipped(format!("targets of {} not read: {why}", group.name)),
        Some(Served::Short(group, of)) => {
            let why = format!("{} of {} targets healthy in {}", of.healthy, of.wanted, group.name);
            let fix = || {
                Fix::Ways(
                    "see `quarterdeck why`: it names what the health check finds",
                    &[(Hand::Status, "quarterdeck why")],
                )
            };
            if of.healthy == 0 && of.wanted > 0 { State::broken(why, fix()) } else { State::odd(why, fix()) }
        }
        Some(Served::Full(group, of) | Served::Vouched(group, of)) => {
            State::well(format!("{} targets healthy in {}", of.cell(), group.name))
        }
    }
}

/// The way of a client to an MCP endpoint, ours or a foreign one. It ends at the first link without which the next
/// cannot be tried. Each hop is told when it is there; all of them are returned.
pub async fn address(
    session: Option<&Session>,
    outside: &dyn Outside,
    url: &str,
    credentials: Credentials,
    tell: Tell<'_>,
) -> Vec<Hop> {
    let mut hops = Hops::new(tell);
    // Whose log it would be, nobody has said.
    let _ = to_address(session, outside, url, credentials, &mut hops).await;
    hops.all
}

async fn to_address(
    session: Option<&Session>,
    outside: &dyn Outside,
    url: &str,
    credentials: Credentials,
    hops: &mut Hops<'_>,
) -> Option<Named> {
    let way = Way { outside, url, ours: session.is_some(), last: Mutex::default() };
    let challenge = way.ask(Link::Challenge, &Ask::initialize(url), None).await;
    // Where nobody answers at all, there is no more to learn.
    let (challenge, wants_token) = match challenge {
        Err(hop) => {
            hops.push(hop);
            return None;
        }
        Ok((heard, millis)) => {
            let (state, wants) = judge::challenge(&heard);
            let hop = Hop { link: Link::Challenge, state, millis };
            if judge::is_elsewhere(&heard) {
                hops.push(hop);
                return None;
            }
            (if wants { way.unsigned(hop).await } else { hop }, wants)
        }
    };
    let open = !wants_token;
    let metadata = metadata_url(url).map(|metadata| Ask::get(&metadata));
    let mut issuers = Vec::new();
    if let Some(ask) = metadata.filter(|_| !open) {
        let hop = match way.ask(Link::Metadata, &ask, None).await {
            Err(hop) => hop,
            Ok((heard, millis)) => {
                let (state, found) = judge::metadata(&heard, url);
                issuers = found;
                Hop { link: Link::Metadata, state, millis }
            }
        };
        hops.push(hop);
    }
    hops.push(challenge);
    for issuer in issuers.iter().take(ISSUERS) {
        way.issuer(issuer, hops).await;
    }
    if issuers.len() > ISSUERS {
        let why = format!("it names {} authorization servers; the others were not asked", issuers.len());
        hops.push(Hop { link: Link::AuthorizationServer, state: State::skipped(why), millis: None });
    }
    let token = match (open, credentials) {
        (true, Credentials::None(_)) => None,
        (_, credentials) => match way.token(session, credentials, hops).await {
            Some(token) => Some(token),
            None => return None,
        },
    };
    way.mcp(token.as_ref(), hops).await;
    way.last.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A client on its way to a server.
struct Way<'a> {
    outside: &'a dyn Outside,
    url: &'a str,
    /// Whether it is a server of the environment.
    ours: bool,
    /// The last request of MCP, under the id by which the server logs it.
    last: Mutex<Option<Named>>,
}

impl Way<'_> {
    /// The same as `ask`, under an id where the server is of the environment: its log is looked into afterwards.
    async fn ask_named(&self, link: Link, ask: Ask, token: Option<&SecretString>) -> Result<(Heard, Option<u64>), Hop> {
        if !self.ours {
            return self.ask(link, &ask, token).await;
        }
        let at = jiff::Timestamp::now();
        let id = format!("quarterdeck-{:x}", at.as_nanosecond());
        let answer = self.ask(link, &ask.named(&id), token).await;
        let named = answer.as_ref().ok().map(|(heard, millis)| {
            let told = heard.header(REQUEST_ID) == Some(id.as_str());
            Named { id, at, status: heard.status, millis: millis.unwrap_or_default(), told }
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = named;
        answer
    }

    /// Asks, and says how long it took, or which link broke.
    async fn ask(&self, link: Link, ask: &Ask, token: Option<&SecretString>) -> Result<(Heard, Option<u64>), Hop> {
        let begun = Instant::now();
        let heard = self.outside.ask(ask, token).await;
        let millis = since(begun);
        heard.map(|heard| (heard, millis)).map_err(|broken| Hop { link, state: unheard(&broken, self.ours), millis })
    }

    /// The challenge, or that the server lets in whoever writes a token. A server of the environment is not asked: gangway
    /// checks signatures, and would count a refusal.
    async fn unsigned(&self, challenge: Hop) -> Hop {
        if self.ours {
            return challenge;
        }
        let token = SecretString::from(UNSIGNED);
        match self.ask(Link::Challenge, &Ask::initialize(self.url), Some(&token)).await {
            Ok((heard, millis)) => match judge::unsigned(&heard) {
                Some(state) => Hop { state, millis, ..challenge },
                None => challenge,
            },
            Err(_) => challenge,
        }
    }

    /// The authorization server's metadata, wherever they are, and its keys.
    async fn issuer(&self, issuer: &str, hops: &mut Hops<'_>) {
        let begun = Instant::now();
        let Ok((found, hop)) = tokio::time::timeout(PATIENCE, self.issuer_metadata(issuer)).await else {
            let why = format!("{} did not answer within {} s", sanitise(issuer), PATIENCE.as_secs());
            let state = State::broken(why, "see what stands before it");
            return hops.push(Hop { link: Link::AuthorizationServer, state, millis: since(begun) });
        };
        hops.push(hop);
        let Some(keys) = found.and_then(|found| found.keys) else { return };
        if !may_name(self.url, &keys) {
            let why = format!("{} is no https URL, and was not asked", sanitise(&keys));
            let state = State::broken(why, "name the keys by their https URL (RFC 8414 section 2)");
            return hops.push(Hop { link: Link::Keys, state, millis: None });
        }
        let hop = match self.ask(Link::Keys, &Ask::get(&keys), None).await {
            Err(hop) => hop,
            Ok((heard, millis)) => Hop { link: Link::Keys, state: judge::keys(&heard, &keys), millis },
        };
        hops.push(hop);
    }

    async fn issuer_metadata(&self, issuer: &str) -> (Option<Issuer>, Hop) {
        let link = Link::AuthorizationServer;
        if !may_name(self.url, issuer) {
            let why = format!("{} is no https URL, and was not asked", sanitise(issuer));
            let state = State::broken(why, "name the issuer by its https URL (RFC 8414 section 2)");
            return (None, Hop { link, state, millis: None });
        }
        let mut last = None;
        for url in issuer_urls(issuer) {
            let hop = match self.ask(link, &Ask::get(&url), None).await {
                Err(hop) => hop,
                Ok((heard, millis)) => {
                    let (state, found) = judge::authorization_server(&heard, issuer);
                    let hop = Hop { link, state, millis };
                    if heard.status == 200 && found.is_some() {
                        return (found, hop);
                    }
                    hop
                }
            };
            last = last.or(Some(hop));
        }
        let no_url = || State::broken(format!("{issuer} is no URL"), "name the issuer by its https URL");
        (None, last.unwrap_or_else(|| Hop { link, state: no_url(), millis: None }))
    }

    /// The token, if there is one to be had.
    async fn token(
        &self,
        session: Option<&Session>,
        credentials: Credentials,
        hops: &mut Hops<'_>,
    ) -> Option<SecretString> {
        let begun = Instant::now();
        let (state, token) = match (credentials, session) {
            (Credentials::Given(token), _) => (State::well("the one that was given"), Some(token)),
            (Credentials::Machine(probe), Some(session)) => granted(session, &probe).await,
            (Credentials::Machine(_), None) => (State::skipped("there is no session with AWS"), None),
            (Credentials::None(why), _) => (State::skipped(why), None),
        };
        hops.push(Hop { link: Link::Token, state, millis: since(begun) });
        token
    }

    /// MCP itself: its beginning, and the tools.
    async fn mcp(&self, token: Option<&SecretString>, hops: &mut Hops<'_>) {
        let Some(agreed) = self.agree(token, hops).await else { return };
        if agreed.version != Agreed::stateless().version {
            // Nothing is answered to it, and a server that does not take it says so with the next request.
            let _ = self.ask(Link::Initialize, &Ask::initialized(self.url, &agreed), token).await;
        }
        let (heard, millis) = match self.ask_named(Link::Tools, Ask::tools(self.url, &agreed), token).await {
            Err(hop) => return hops.push(hop),
            Ok(answer) => answer,
        };
        let state = judge::tools(&heard, agreed.id.is_some());
        let tool = judge::safe_tool(&heard).filter(|_| !state.is_broken());
        let broken = state.is_broken();
        hops.push(Hop { link: Link::Tools, state, millis });
        let hop = match tool {
            None if broken => return,
            None => {
                let why = "no tool says that it only reads, asks nobody else and needs no argument, so none was called";
                Hop { link: Link::SafeCall, state: State::skipped(why), millis: None }
            }
            Some(tool) => match self.ask_named(Link::SafeCall, Ask::call(self.url, &agreed, &tool), token).await {
                Err(hop) => hop,
                Ok((heard, millis)) => Hop { link: Link::SafeCall, state: judge::call(&heard, &tool), millis },
            },
        };
        hops.push(hop);
    }

    async fn agree(&self, token: Option<&SecretString>, hops: &mut Hops<'_>) -> Option<Agreed> {
        let link = Link::Initialize;
        let mut answer = self.ask_named(link, Ask::initialize(self.url), token).await;
        let mut stateless = false;
        if let Ok((heard, _)) = &answer
            && judge::has_no_sessions(heard)
            && judge::initialize(heard).1.is_none()
        {
            stateless = true;
            answer = self.ask_named(link, Ask::discover(self.url), token).await;
        }
        let (heard, millis) = match answer {
            Err(hop) => {
                hops.push(hop);
                return None;
            }
            Ok(heard) => heard,
        };
        let (state, agreed) = judge::initialize(&heard);
        // A token that it had to refuse shows what it does not look at. No other is asked for to find out.
        let lax = token.filter(|_| agreed.is_some()).and_then(|token| {
            let read = Token::read(token.expose_secret()).ok()?;
            read.let_in(self.url, jiff::Timestamp::now())
        });
        hops.push(Hop { link, state: lax.unwrap_or(state), millis });
        if stateless { agreed.map(|_| Agreed::stateless()) } else { agreed }
    }
}

/// Whether a document of keys is that of a signer before which something else stands: it names its own address as the
/// issuer, and the signer's keys, by the path at which OpenID providers such as Cognito have them. The address may be
/// another one inside a network.
fn are_keys_of(keys: &str, signer: &str) -> bool {
    let path =
        |url: &str| url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path.to_owned());
    path(signer).is_some_and(|signer| path(keys) == Some(format!("{signer}/.well-known/jwks.json")))
}

/// Whether a server may name this issuer, or its issuer these keys: over https, or over what it is reached by itself. What it names is asked from
/// the operator's machine, which sees more than strangers may.
fn may_name(server: &str, issuer: &str) -> bool {
    issuer.starts_with("https://") || (issuer.starts_with("http://") && server.starts_with("http://"))
}

/// A token of a machine client. Whoever may not read its secret can still look at the rest.
async fn granted(session: &Session, probe: &TokenProbe) -> (State, Option<SecretString>) {
    match session.cloud.token(probe).await {
        Ok(TokenAnswer::Granted(token)) => (State::well(format!("granted by {}", probe.endpoint)), Some(token)),
        Ok(TokenAnswer::Refused(why)) => {
            let fix = Fix::Ways(
                "the stored secret opens nothing: `quarterdeck deploy` mends it, or a rotation was left half done \
                 (`quarterdeck operations list`)",
                &[(Hand::Deploy, "quarterdeck deploy"), (Hand::Operations, "quarterdeck operations list")],
            );
            (State::broken(format!("the token endpoint refuses {}: {why}", probe.secret), fix), None)
        }
        Err(error) if error.kind == ErrorKind::Denied => {
            (State::skipped(format!("the client's secret may not be read: {}", error.message)), None)
        }
        Err(error) => (failed(&error), None),
    }
}

/// Every check of a token, and at last what the server says to it. Where the way to the server is known, its issuers
/// and their keys are asked for, too.
pub async fn token(outside: &dyn Outside, url: Option<&str>, text: &str) -> Vec<(Check, State)> {
    let read = match Token::read(text) {
        Ok(read) => read,
        Err(state) => return vec![(Check::Form, state)],
    };
    let way = Way { outside, url: url.unwrap_or_default(), ours: false, last: Mutex::default() };
    let mut issuers = Vec::new();
    if let Some((url, ask)) = url.and_then(|url| Some((url, Ask::get(&metadata_url(url)?)))) {
        let heard = way.ask(Link::Metadata, &ask, None).await;
        issuers = heard.map(|(heard, _)| judge::metadata(&heard, url).1).unwrap_or_default();
    }
    issuers.truncate(ISSUERS);
    let (mut of, mut documents) = (Vec::new(), issuers.clone());
    // Whoever made the token chose its issuer: nothing inside a network is asked for it.
    documents.extend(read.issuer().filter(|issuer| issuer.starts_with("https://")));
    documents.dedup();
    let mut keys = Vec::new();
    for issuer in &issuers {
        // What stands before an issuer may name another one as the signer of its tokens.
        if let Some(found) = way.issuer_metadata(issuer).await.0 {
            of.push(found.issuer);
            keys.extend(found.keys);
        }
    }
    of.extend(issuers.clone());
    of.dedup();
    let expected = Expected { resource: url.map(str::to_owned), issuers: of };
    let mut all = read.checks(&expected, jiff::Timestamp::now());
    let signer = read.issuer().filter(|signer| keys.iter().any(|keys| are_keys_of(keys, signer)));
    let issuer = all.iter_mut().find(|(check, state)| *check == Check::Issuer && state.is_broken());
    if let Some(((_, state), signer)) = issuer.zip(signer)
        && matches!(way.key(&read, &issuers).await, State::Well { .. })
    {
        *state = State::well(format!("{signer}, whose keys are those that {} names", issuers.join(" and ")));
    }
    all.push((Check::Key, way.key(&read, &documents).await));
    if url.is_some() {
        let secret = SecretString::from(text.trim().trim_start_matches("Bearer ").to_owned());
        let mut hops = Hops::new(&|_| ());
        way.agree(Some(&secret), &mut hops).await;
        let said = hops.all.into_iter().next().map(|hop| hop.state);
        all.push((Check::Server, said.unwrap_or_else(|| State::skipped("it was not asked"))));
    }
    all
}

impl Way<'_> {
    /// Whether one of the issuers has the token's key.
    async fn key(&self, read: &Token, issuers: &[String]) -> State {
        let mut state = State::skipped("the issuer's keys could not be read, so its key was not looked for");
        for issuer in issuers {
            let found = self.issuer_metadata(issuer).await.0.and_then(|found| found.keys);
            let Some(url) = found.filter(|keys| may_name(self.url, keys)) else { continue };
            let Ok((heard, _)) = self.ask(Link::Keys, &Ask::get(&url), None).await else { continue };
            if judge::keys(&heard, &url).is_broken() {
                continue;
            }
            state = read.known_key(&heard.body);
            if !state.is_broken() {
                return state;
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a";

    #[rstest]
    #[case("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a/.well-known/jwks.json", POOL, true)]
    #[case("http://host.containers.internal:4566/eu-west-1_a/.well-known/jwks.json", POOL, true)]
    #[case("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_b/.well-known/jwks.json", POOL, false)]
    #[case("https://issuer/.well-known/jwks.json", "https://other", false)]
    #[case("nothing", "nothing", false)]
    fn the_keys_say_who_signs(#[case] keys: &str, #[case] signer: &str, #[case] are: bool) {
        assert_eq!(are_keys_of(keys, signer), are);
    }

    #[rstest]
    #[case("https://host/mcp", "https://issuer", true)]
    #[case("http://localhost:1/mcp", "http://localhost:1/pool", true)]
    #[case("https://host/mcp", "http://169.254.169.254/latest", false)]
    #[case("http://localhost:1/mcp", "file:///etc/passwd", false)]
    fn a_server_does_not_choose_what_is_asked(#[case] server: &str, #[case] issuer: &str, #[case] may: bool) {
        assert_eq!(may_name(server, issuer), may);
    }
}
