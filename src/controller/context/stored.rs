//! The context Secret: how a handshake is written down (D7). Pure.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    bunq::{ApiKey, Context, DeviceRecord, Environment, InstallationRecord, SessionRecord, UserKind},
    controller::{
        digest::{hash_of, sha256_hex},
        labels,
    },
    times::Times,
};

const TYPE: &str = "bunq-operator.io/context";

/// A context, and what only the operator remembers beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) context: Context,
    /// When the bank refused this very key, oldest first (`S8`).
    pub(crate) refusals: Vec<Timestamp>,
    /// The address that the bank bound the key to.
    pub(crate) bound_ip: Option<String>,
}

impl Stored {
    /// Reads its times by today's clock.
    pub(crate) fn correct(&mut self, times: &mut Times) {
        let Self { context, refusals, bound_ip: _ } = self;
        context.correct(times);
        times.all_past(refusals);
    }
}

/// The name: SHA-256 of environment and key. Keys are random, so no salt is needed.
pub(crate) fn name(environment: Environment, key: &ApiKey) -> String {
    let mut bytes = zeroize::Zeroizing::new(environment.as_str().as_bytes().to_vec());
    bytes.push(0);
    bytes.extend_from_slice(key.expose().as_bytes());
    format!("bunq-context-{}", sha256_hex(&bytes))
}

/// A context in a few bytes, for what is remembered of thousands. Two of them could be taken for one: that
/// may cost a read or keep one longer, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContextId(u64);

impl ContextId {
    /// Of the context of this name.
    pub(crate) fn of(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }
}

pub(crate) fn to_secret(
    name: &str,
    environment: Environment,
    stored: &Stored,
    resource_version: Option<&str>,
) -> Secret {
    let mut data: BTreeMap<String, ByteString> = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec()));
    };
    let context = &stored.context;
    put("environment", environment.as_str());
    if let Some(pem) = &context.key_pair_pem {
        put("private-key", pem.expose_secret());
    }
    if let Some(installation) = &context.installation {
        put("installation-token", installation.token.expose_secret());
        put("server-public-key", &installation.server_key_pem);
    }
    match context.device {
        Some(DeviceRecord::Registered(id)) => put("device", &id.to_string()),
        Some(DeviceRecord::Existing) => put("device", "existing"),
        None => {}
    }
    if let Some(session) = &context.session {
        put("session-token", session.token.expose_secret());
        put("session-user", &session.user_id.to_string());
        put("session-user-kind", session.kind.as_str());
        put("session-expires", &session.expires_at.to_string());
    }
    if let Some(at) = context.last_session_at {
        put("last-session", &at.to_string());
    }
    put("reinstallations", &join(&context.reinstallations));
    put("refusals", &join(&stored.refusals));
    if let Some(ip) = &stored.bound_ip {
        put("bound-ip", ip);
    }
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: resource_version.map(str::to_owned),
            labels: Some(labels::of(labels::CONTEXT)),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Equal if and only if the data is.
pub(crate) fn fingerprint(secret: &Secret) -> String {
    let data = secret.data.iter().flatten();
    hash_of(data.flat_map(|(key, value)| [key.as_bytes(), value.0.as_slice()]))
}

/// The bank that a context Secret belongs to, if it can be read.
pub(crate) fn environment(secret: &Secret) -> Option<Environment> {
    let text = std::str::from_utf8(&secret.data.as_ref()?.get("environment")?.0).ok()?;
    Environment::parse(text)
}

/// Reads a context Secret. A part that cannot be understood counts as missing, and so does what stands
/// on it, so that the handshake begins again there; the times survive (`F39`).
pub(crate) fn from_secret(secret: &Secret) -> Stored {
    let text = |key: &str| -> Option<&str> {
        std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok().filter(|text| !text.is_empty())
    };
    let time = |key: &str| text(key).and_then(|text| text.parse::<Timestamp>().ok());
    let secret_text = |key: &str| text(key).map(SecretString::from);
    let times = |key: &str| -> Vec<Timestamp> {
        text(key).into_iter().flat_map(str::split_whitespace).filter_map(|time| time.parse().ok()).collect()
    };
    let installation = || -> Option<InstallationRecord> {
        Some(InstallationRecord {
            token: secret_text("installation-token")?,
            server_key_pem: text("server-public-key")?.to_owned(),
        })
    };
    let session = || -> Option<SessionRecord> {
        Some(SessionRecord {
            token: secret_text("session-token")?,
            user_id: text("session-user")?.parse().ok()?,
            kind: UserKind::parse(text("session-user-kind")?)?,
            expires_at: time("session-expires")?,
        })
    };
    let device = || match text("device")? {
        "existing" => Some(DeviceRecord::Existing),
        id => id.parse().ok().map(DeviceRecord::Registered),
    };
    let key_pair_pem = secret_text("private-key");
    // The bank knows an installation by its key pair, device and session by their installation.
    let installation = key_pair_pem.as_ref().and_then(|_| installation());
    Stored {
        context: Context {
            device: installation.as_ref().and_then(|_| device()),
            session: installation.as_ref().and_then(|_| session()),
            key_pair_pem,
            installation,
            last_session_at: time("last-session"),
            reinstallations: times("reinstallations"),
        },
        refusals: times("refusals"),
        bound_ip: text("bound-ip").map(str::to_owned),
    }
}

fn join(times: &[Timestamp]) -> String {
    times.iter().map(Timestamp::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Stored {
        let at = |second| Timestamp::from_second(second).unwrap();
        Stored {
            context: Context {
                key_pair_pem: Some("pem".into()),
                installation: Some(InstallationRecord {
                    token: "installation".into(),
                    server_key_pem: "server".to_owned(),
                }),
                device: Some(DeviceRecord::Registered(7)),
                session: Some(SessionRecord {
                    token: "session".into(),
                    user_id: 42,
                    kind: UserKind::Company,
                    expires_at: at(9_000),
                }),
                last_session_at: Some(at(8_000)),
                reinstallations: vec![at(1_000), at(2_000)],
            },
            refusals: vec![at(3_000)],
            bound_ip: Some("203.0.113.7".to_owned()),
        }
    }

    #[test]
    fn a_context_survives_being_written_down() {
        let secret = to_secret("x", Environment::Sandbox, &full(), None);
        let again = to_secret("x", Environment::Sandbox, &from_secret(&secret), None);
        assert_eq!(secret, again);
        assert!(from_secret(&secret).context.session.is_some());
    }

    #[test]
    fn a_broken_part_counts_as_missing_and_the_times_survive() {
        let mut secret = to_secret("x", Environment::Sandbox, &full(), None);
        let data = secret.data.as_mut().unwrap();
        data.insert("session-expires".to_owned(), ByteString(b"yesterday".to_vec()));
        data.remove("server-public-key");
        let stored = from_secret(&secret);
        assert!(stored.context.session.is_none());
        assert!(stored.context.installation.is_none());
        assert_eq!(stored.context.reinstallations.len(), 2);
        assert_eq!(stored.refusals.len(), 1);
    }

    #[test]
    fn what_stands_on_a_missing_part_counts_as_missing() {
        for (part, has_installation) in
            [("private-key", false), ("installation-token", false), ("server-public-key", false), ("device", true)]
        {
            let mut secret = to_secret("x", Environment::Sandbox, &full(), None);
            secret.data.as_mut().unwrap().remove(part);
            let context = from_secret(&secret).context;
            assert_eq!(context.installation.is_some(), has_installation, "{part}");
            assert_eq!(context.session.is_some(), has_installation, "{part}");
            assert!(context.device.is_none(), "{part}");
        }
    }

    #[test]
    fn the_name_depends_on_environment_and_key_and_shows_neither() {
        let key = ApiKey::new("sandbox_abc").unwrap();
        let sandbox = name(Environment::Sandbox, &key);
        assert_ne!(sandbox, name(Environment::Production, &key));
        assert_ne!(sandbox, name(Environment::Sandbox, &ApiKey::new("sandbox_abd").unwrap()));
        assert!(!sandbox.contains("abc") && sandbox.len() <= 253);
    }
}
