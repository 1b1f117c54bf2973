//! The calls: what is asked, and what the answer says.
//!
//! | module | holds |
//! |---|---|
//! | `path` | the paths of a client |
//! | `listing` | a list, page by page |
//! | `handshake` | `installation`, `device-server`, `session-server`, and the session's end |
//! | `callback` | the redirect URLs of a client as a sub-resource |
//! | `oauth_client` | the OAuth client |
//! | `credential_ip` | which address an API key is bound to |

pub(super) mod callback;
pub(super) mod credential_ip;
pub(super) mod handshake;
mod listing;
pub(super) mod oauth_client;
mod path;
