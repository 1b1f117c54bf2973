//! Which program this is.

/// The version of this package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision this binary was built from: twelve hexadecimal digits, followed by `-dirty`
/// when tracked files differed from it; `unknown` outside a repository.
pub const REVISION: &str = env!("BUNQ_OAUTH_OPERATOR_REVISION");

/// Version and revision, as `--version` prints them.
pub const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUNQ_OAUTH_OPERATOR_REVISION"), ")");
