//! Least privilege, measured: what bindings grant and nobody used.
//!
//! The audit log says of every request which binding allowed it. A grant that no request of a whole test run needed
//! is one too many.

mod grants;
mod log;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use super::Error;

use grants::Grant;
pub use grants::Role;
use log::Use;

/// A verb on a resource that a role grants and that no request used through any binding of this role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnusedGrant {
    /// The role that holds it.
    pub role: Role,
    /// The verb.
    pub verb: String,
    /// The resource as in `secrets`, `bunqoauthclients.bunq-operator.io/status` or `/metrics`.
    pub resource: String,
    /// The only names it is for; empty: all.
    pub names: Vec<String>,
}

impl fmt::Display for UnusedGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} on {}", self.role, self.verb, self.resource)?;
        if !self.names.is_empty() {
            write!(f, " named {}", self.names.join(", "))?;
        }
        f.write_str(" never used")
    }
}

/// What the roles bound to `users` grant beyond what these users did, according to the audit log.
///
/// Users are called as the API server does: `system:serviceaccount:<namespace>:<name>`. Bindings to groups do not
/// count. A wildcard is compared as it stands, so it is always one too many. A namespace that is gone took its
/// bindings along; what was used through them still counts for their `ClusterRole`.
pub async fn unused_grants(
    client: kube::Client,
    audit_log: &Path,
    users: impl Fn(&str) -> bool,
) -> Result<Vec<UnusedGrant>, Error> {
    let text = std::fs::read_to_string(audit_log).map_err(Error::io(format!("read {}", audit_log.display())))?;
    let used = log::read(&text, &users)?;
    let granted = grants::read(&client, &users).await.map_err(Error::make("a list of what is granted"))?;
    Ok(difference(&granted, &used))
}

fn difference(granted: &[Grant], used: &[Use]) -> Vec<UnusedGrant> {
    let mut unused: Vec<UnusedGrant> = granted
        .iter()
        .filter(|grant| !used.iter().any(|request| grant.covers(request)))
        .map(|grant| UnusedGrant {
            role: grant.role.clone(),
            verb: grant.verb.clone(),
            resource: grant.resource.clone(),
            names: grant.names.clone(),
        })
        .collect();
    unused.sort();
    unused
}

/// `secrets`, or `bunqoauthclients.bunq-operator.io/status`, as kubectl writes them.
fn resource_name(group: &str, resource: &str, subresource: &str) -> String {
    let mut name = resource.to_owned();
    if !group.is_empty() {
        name = format!("{name}.{group}");
    }
    if !subresource.is_empty() {
        name = format!("{name}/{subresource}");
    }
    name
}
