//! Behind a proxy: what runs on this machine must not be asked through it.

use std::env;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HERE: &str = "127.0.0.1";

/// Starts this program again with `NO_PROXY` set for this machine, where a proxy would be asked.
pub(crate) fn step_around() -> io::Result<()> {
    let behind_one = PROXIES.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let exceptions = ["NO_PROXY", "no_proxy"].map(|name| env::var(name).unwrap_or_default());
    if !behind_one || exceptions.iter().all(|list| list.split(',').any(|host| host.trim() == HERE)) {
        return Ok(());
    }
    let own: Vec<&str> = exceptions.iter().map(String::as_str).filter(|list| !list.is_empty()).collect();
    let list = own.into_iter().chain([HERE, "localhost"]).collect::<Vec<_>>().join(",");
    let mut again = Command::new(env::current_exe()?);
    again.args(env::args_os().skip(1)).env("NO_PROXY", &list).env("no_proxy", &list);
    // It only comes back when it failed.
    Err(again.exec())
}
