//! Logs on stderr: one JSON object per line for machines, one short line for people.
//!
//! The JSON keys are flat: `timestamp`, `level`, `target`, `message`, then the fields of the
//! surrounding spans (`namespace`, `name`, `reconcileID`; inner spans win), then the event's own.

use std::{
    fmt,
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{Directive, ParseError},
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::{JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::{LookupSpan, Scope},
    util::{SubscriberInitExt, TryInitError},
};

use super::trace::Traces;

/// What is logged unless `RUST_LOG` says otherwise: our own news, and of the libraries only
/// what went wrong. kube's watches warn of every attempt that is refused; we tell each trouble once.
pub const DEFAULT_FILTER: &str = "info,kube=warn,kube_client=warn,kube_runtime=error,h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tower=warn";

/// Always in force, whatever `RUST_LOG` says: at these levels kube's client prints the bodies of
/// answers it could not read, and they may be Secrets (`H05`).
const NEVER_LOGGED: &str = "kube_client::client=error";

/// Always in force, too: what the bank was told stays in the log (`H26`).
const ALWAYS_LOGGED: &str = "audit=info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// One compact line of text, coloured on a terminal.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter (`RUST_LOG`) is not a list of directives.
    #[error("read the log filter {filter:?} (RUST_LOG)")]
    Filter {
        /// The text that could not be read.
        filter: String,
        /// Where it went wrong.
        #[source]
        source: ParseError,
    },
    /// Something else already receives this process's logs.
    #[error("install the logger")]
    Install(#[source] TryInitError),
}

/// Sends the process's logs to stderr, panics among them, and its spans to the collector. `filter`
/// is the value of `RUST_LOG`, if there is one; absent or empty means [`DEFAULT_FILTER`].
pub fn init(format: LogFormat, filter: Option<&str>, traces: Option<&Traces>) -> Result<(), LogError> {
    let ansi = io::stderr().is_terminal();
    let lines = lines(format, filter, ansi, io::stderr)?;
    let layers: Vec<BoxedLayer> = traces.map(Traces::layer).into_iter().chain([lines]).collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(LogError::Install)?;
    std::panic::set_hook(Box::new(tell_panic));
    Ok(())
}

/// What [`init`] installs, but for traces, with another place for the lines: for those who run the
/// operator inside their own process.
pub fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    Ok(tracing_subscriber::registry().with(lines(format, filter, false, writer)?))
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn lines<W>(format: LogFormat, filter: Option<&str>, ansi: bool, writer: W) -> Result<BoxedLayer, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi);
    let filter = env_filter(filter)?;
    Ok(match format {
        LogFormat::Json => {
            layer.with_ansi(false).fmt_fields(JsonFields::new()).event_format(FlatJson).with_filter(filter).boxed()
        }
        LogFormat::Text => layer.compact().with_filter(filter).boxed(),
    })
}

/// A panic as one line with the keys of its pass. Its text is told only when it is a literal: any
/// other can hold a value that nobody may read (`H05`). The place leads to the text.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("a panic with values in its text");
    tracing::error!(target: "panic", place, "{text}");
}

fn env_filter(filter: Option<&str>) -> Result<EnvFilter, LogError> {
    let text = filter.map(str::trim).filter(|text| !text.is_empty());
    let text = text.unwrap_or(DEFAULT_FILTER);
    let unreadable = |source| LogError::Filter { filter: text.to_owned(), source };
    let mut filter = EnvFilter::builder().parse(text).map_err(unreadable)?;
    for fixed in [NEVER_LOGGED, ALWAYS_LOGGED] {
        let fixed: Directive = fixed.parse().map_err(unreadable)?;
        filter = filter.add_directive(fixed);
    }
    Ok(filter)
}

/// Formats an event as one flat JSON object.
#[derive(Debug)]
struct FlatJson;

impl<S> FormatEvent<S, JsonFields> for FlatJson
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            if let Some(formatted) = extensions.get::<FormattedFields<JsonFields>>() {
                fields.extend(object(formatted));
            }
        }
        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        fields.extend(object(&own));

        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let message = fields.remove("message").unwrap_or_default();
        fields.retain(|key, _| !HEAD.contains(&key.as_str()));
        let line = Line {
            timestamp,
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            message,
            fields,
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// Keys that every line has; a field of the same name would make them ambiguous and is dropped.
const HEAD: [&str; 3] = ["timestamp", "level", "target"];

#[derive(Debug, Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: &'a str,
    message: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// The fields a [`JsonFields`] wrote; nothing if it wrote nothing.
fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: Option<&str>, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_flat_and_carries_the_fields_of_its_spans() {
        let text = logged(LogFormat::Json, None, || {
            let outer = tracing::info_span!("controller", namespace = "shop", name = "outer");
            let _outer = outer.entered();
            let inner = tracing::info_span!("reconcile", name = "my-app", reconcileID = "r1");
            let _inner = inner.entered();
            tracing::info!(target: "audit", attempts = 2, level = "planted", "a \"quoted\" line");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("{\"timestamp\":\""), "{text}");
        let mut line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let timestamp = line.remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'));
        let expected = serde_json::json!({
            "level": "INFO", "target": "audit", "message": "a \"quoted\" line",
            "namespace": "shop", "name": "my-app", "reconcileID": "r1", "attempts": 2,
        });
        assert_eq!(Value::Object(line), expected);
        assert_eq!(text.matches("\"level\"").count(), 1, "{text}");
    }

    #[test]
    fn a_json_line_without_fields_is_still_json() {
        let text = logged(LogFormat::Json, None, || tracing::info!("plain"));
        let line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "plain");
        assert_eq!(line.len(), 4);
    }

    #[test]
    fn a_text_line_has_no_escape_codes_when_nobody_reads_it_on_a_terminal() {
        let text = logged(LogFormat::Text, None, || {
            let _span = tracing::info_span!("reconcile", namespace = "shop").entered();
            tracing::warn!("look here");
        });
        assert!(text.contains("WARN") && text.contains("look here"), "{text}");
        assert!(text.contains("namespace=\"shop\""), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn the_default_filter_silences_libraries_and_a_given_one_replaces_it() {
        let talk = || {
            tracing::warn!(target: "kube_runtime::watcher", "chatter");
            tracing::debug!(target: "bunq_oauth_operator", "detail");
        };
        assert_eq!(logged(LogFormat::Text, None, talk), "");
        assert_eq!(logged(LogFormat::Text, Some(" "), talk), "");
        let all = logged(LogFormat::Text, Some("debug"), talk);
        assert!(all.contains("chatter") && all.contains("detail"), "{all}");
    }

    #[test]
    fn no_filter_makes_kubes_client_print_the_bodies_it_could_not_read() {
        for filter in ["trace", "kube_client=trace", "kube_client::client=trace"] {
            let text = logged(LogFormat::Json, Some(filter), || {
                tracing::warn!(target: "kube_client::client", "the body of a Secret");
            });
            assert_eq!(text, "", "{filter}");
        }
    }

    #[test]
    fn no_filter_silences_the_audit_log() {
        for filter in ["off", "error", "audit=off", "audit=error,warn"] {
            let text = logged(LogFormat::Json, Some(filter), || {
                tracing::info!(target: "audit", "the bank was told");
                tracing::info!("chatter");
            });
            assert!(text.contains("the bank was told") && !text.contains("chatter"), "{filter}: {text}");
        }
    }

    /// Set in the process that panics; its value is printed in place of a secret.
    const PANICS: &str = "TELEMETRY_TEST_PANICS";

    /// A hook belongs to the whole process, so another one panics.
    #[test]
    fn a_panic_is_a_line_with_its_place_and_never_with_a_value() {
        if let Ok(secret) = std::env::var(PANICS) {
            init(LogFormat::Json, Some("error"), None).unwrap();
            let _pass = tracing::error_span!("reconcile", namespace = "shop").entered();
            let _ = std::panic::catch_unwind(|| panic!("planted {secret}"));
            panic!("a literal text");
        }
        let this = "telemetry::log::tests::a_panic_is_a_line_with_its_place_and_never_with_a_value";
        let program = std::env::current_exe().unwrap();
        let args = ["--exact", this, "--nocapture", "--test-threads=1"];
        let output = std::process::Command::new(program).args(args).env(PANICS, "a-secret-value").output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
        let panics: Vec<_> = lines.filter(|line| line["target"] == "panic").collect();
        assert_eq!(panics.len(), 2, "{said}");
        for line in &panics {
            assert!(line["place"].as_str().unwrap().contains("log.rs:"), "{line:?}");
            assert_eq!(line["namespace"], "shop");
        }
        assert_eq!(panics[1]["message"], "a literal text");
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains("a-secret-value"), "{said}");
    }

    #[test]
    fn an_unreadable_filter_is_an_error_that_shows_it() {
        let error = env_filter(Some("info,=,==")).unwrap_err();
        assert!(error.to_string().contains("info,=,=="), "{error}");
    }
}
