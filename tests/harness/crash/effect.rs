//! The operator's effects, recognised on the wire.

use std::fmt;

use bunq_oauth_operator::{
    bunq::{Call, Request as BankRequest},
    controller::KubeCall,
};
use hyper::{Request, header};

/// One effect on the world, or one look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// A call to the API server.
    Kube(KubeCall),
    /// A call to the bank.
    Bank(Call),
}

/// What a request to the API server is.
#[derive(Debug)]
pub(super) enum Asked {
    /// One of the operator's calls.
    Effect(Effect),
    /// A watch, the list that a watch begins with, or the question whether the resource is served.
    Listening,
    /// Nothing that has a name.
    Unknown(String),
}

/// A call to the API server as it looks on the wire.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    methods: &'static [&'static str],
    is_at_home: bool,
    resource: &'static str,
    is_named: Option<bool>,
    part: Part,
}

/// Which part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Status,
    Metadata,
}

/// A call that is not here does not compile.
fn form(call: KubeCall) -> Form {
    let at = |methods, is_at_home, resource, is_named| Form {
        methods,
        is_at_home,
        resource,
        is_named: Some(is_named),
        part: Part::Whole,
    };
    let tenants = |methods, resource, is_named| at(methods, false, resource, is_named);
    let ours = |methods, resource, is_named| at(methods, true, resource, is_named);
    match call {
        KubeCall::ReadManifest => tenants(&["GET"], "bunqoauthclients", true),
        KubeCall::ReadOwner => Form { part: Part::Metadata, ..tenants(&["GET"], "bunqoauthclients", true) },
        KubeCall::SetFinalizer => tenants(&["PATCH"], "bunqoauthclients", true),
        KubeCall::WriteStatus => Form { part: Part::Status, ..tenants(&["PUT"], "bunqoauthclients", true) },
        KubeCall::ReadSecret => tenants(&["GET"], "secrets", true),
        KubeCall::CreateOutput => tenants(&["POST"], "secrets", false),
        KubeCall::UpdateOutput => tenants(&["PATCH"], "secrets", true),
        KubeCall::DeleteLeftover => tenants(&["DELETE"], "secrets", true),
        KubeCall::ReadContext => ours(&["GET"], "secrets", true),
        KubeCall::ListContexts => ours(&["GET"], "secrets", false),
        KubeCall::CreateContext => ours(&["POST"], "secrets", false),
        KubeCall::UpdateContext => ours(&["PUT"], "secrets", true),
        KubeCall::DeleteContext => ours(&["DELETE"], "secrets", true),
        KubeCall::ReadClaim => ours(&["GET"], "configmaps", true),
        KubeCall::ListClaims => ours(&["GET"], "configmaps", false),
        KubeCall::CreateClaim => ours(&["POST"], "configmaps", false),
        KubeCall::UpdateClaim => ours(&["PUT"], "configmaps", true),
        KubeCall::DeleteClaim => ours(&["DELETE"], "configmaps", true),
        KubeCall::ReadLease => ours(&["GET"], "leases", true),
        KubeCall::CreateLease => ours(&["POST"], "leases", false),
        KubeCall::UpdateLease => ours(&["PUT"], "leases", true),
        KubeCall::PublishEvent => Form { is_named: None, ..tenants(&["POST", "PATCH"], "events", false) },
    }
}

/// Recognises a request to the API server.
pub(super) fn of_kube<B>(request: &Request<B>, operator_namespace: &str) -> Asked {
    let (method, uri) = (request.method().as_str(), request.uri());
    let is_watch = uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("watch=")));
    let mut segments = uri.path().split('/').skip_while(|segment| *segment != "namespaces").skip(1);
    let (Some(namespace), Some(resource)) = (segments.next(), segments.next()) else {
        let what = format!("{method} {}", uri.path());
        return Asked::Unknown(what);
    };
    let (name, part) = (segments.next(), segments.next());
    let is_at_home = namespace == operator_namespace;
    let fits = |call: &&KubeCall| {
        let form = form(**call);
        form.methods.contains(&method)
            && form.is_at_home == is_at_home
            && form.resource == resource
            && form.is_named.is_none_or(|named| named == name.is_some())
            && form.part == part_of(request, resource, part)
    };
    match KubeCall::ALL.iter().find(fits) {
        Some(call) if !is_watch => Asked::Effect(Effect::Kube(*call)),
        _ if method == "GET" && name.is_none() && !is_at_home => Asked::Listening,
        Some(_) | None => Asked::Unknown(format!("{method} {}", uri.path())),
    }
}

fn part_of<B>(request: &Request<B>, resource: &str, part: Option<&str>) -> Part {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match part {
        Some("status") => Part::Status,
        // Where the whole is read by another call; elsewhere it makes no difference.
        _ if resource == "bunqoauthclients" && accepts.contains("PartialObjectMetadata") => Part::Metadata,
        _ => Part::Whole,
    }
}

/// Recognises a request to the bank.
pub(super) fn of_bank(request: &BankRequest) -> Option<Effect> {
    let path = request.url.split_once("/v1/").map(|(_, path)| path.split('?').next().unwrap_or_default())?;
    let fits = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    };
    let is_it = |call: &Call| call.method() == request.method && fits(call.template());
    Call::ALL.into_iter().find(is_it).map(Effect::Bank)
}

impl Effect {
    /// Every effect there is.
    pub fn all() -> impl Iterator<Item = Self> {
        KubeCall::ALL.iter().copied().map(Self::Kube).chain(Call::ALL.into_iter().map(Self::Bank))
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn is_write(self) -> bool {
        match self {
            Self::Kube(call) => call.is_write(),
            Self::Bank(call) => call.is_mutation(),
        }
    }

    /// Whether it changes the user's client.
    #[must_use]
    pub fn is_client_mutation(self) -> bool {
        match self {
            Self::Kube(_) => false,
            Self::Bank(call) => call.is_mutation() && call.template().starts_with("user/{user}/oauth-client"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube(call) => write!(f, "{call:?}"),
            Self::Bank(call) => write!(f, "{call:?} at the bank"),
        }
    }
}
