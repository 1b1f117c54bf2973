//! The paths of a user's client, below the base URL.

use crate::bunq::exchange::Access;

/// `user/{user}/oauth-client`
pub(super) fn clients(access: &Access<'_>) -> String {
    format!("user/{}/oauth-client", access.user_id)
}

/// `user/{user}/oauth-client/{id}`
pub(super) fn client(access: &Access<'_>, id: u64) -> String {
    format!("{}/{id}", clients(access))
}

/// `user/{user}/oauth-client/{id}/callback-url`
pub(super) fn callbacks(access: &Access<'_>, client: u64) -> String {
    format!("{}/callback-url", self::client(access, client))
}

/// `user/{user}/oauth-client/{id}/callback-url/{id}`
pub(super) fn callback(access: &Access<'_>, client: u64, id: u64) -> String {
    format!("{}/{id}", callbacks(access, client))
}
