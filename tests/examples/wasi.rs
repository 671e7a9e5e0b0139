//! Runs public WASI test programs with the real binary, and compares each outcome with the table below.
//! The programs are foreign and not in this repository: `tests/README.md` names their source.

use cascade_host_tests::{Finished, Project};
use std::path::Path;
use std::process::ExitCode;

/// The required outcome of a program.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The program returns, with these grants.
    Passes(&'static str),
    /// The program must fail with this error.
    Says(&'static str, &'static str),
    /// The program does not apply to this host's grants.
    Apart(&'static str),
}

use Expected::{Apart, Passes, Says};

/// A writable folder, under the name that the programs expect.
const WORK: &str = "args = [\".\"]\nwrite = [\"work:.\"]";
/// A writable folder and a read-only one.
const TWO: &str = "args = [\".\"]\nwrite = [\"work:.\"]\nread = [\"readonly:readonly\"]";
/// A readable file and a writable one.
const STORY: &str = "read = [\"story:/\"]";
const DRAFT: &str = "write = [\"story:/\"]";

const LISTENS: &str = "it binds or listens, and only outgoing connections to named addresses can be granted";
const UDP: &str = "there is no grant for UDP";
const SERVER: &str = "it wants the HTTP server of wasmtime's own suite, on a port that is drawn";
const INPUT: &str = "it wants a text on its standard input, and a task's is empty";
const FLAGS: &str = "it tries a flag of wasmtime's command line";

/// Every program that is an ordinary command; programs that serve requests or have other entry points are not tasks.
const PROGRAMS: [(&str, Expected); 80] = [
    ("p2_adapter_badfd", Apart("it calls the adapter for preview 1 by names of its own")),
    ("p2_api_read_only", Passes("read = [\"story:/\"]")),
    ("p2_api_time", Apart("it wants clocks that its own host made for it")),
    ("p2_cli_args", Passes("args = [\"hello\", \"this\", \"\", \"is an argument\", \"with 🚩 emoji\"]")),
    ("p2_cli_argv0", Passes("args = [\"a\", \"a\"]")),
    ("p2_cli_default_clocks", Passes("clock = true")),
    ("p2_cli_directory_list", Passes(STORY)),
    ("p2_cli_env", Passes("env = [\"frabjous=day\", \"callooh=callay\"]")),
    ("p2_cli_exit_default", Passes("")),
    ("p2_cli_exit_failure", Says("", "the function returned an error")),
    ("p2_cli_exit_panic", Says("", "trap")),
    ("p2_cli_exit_success", Passes("")),
    ("p2_cli_exit_with_code", Apart("`exit-with-code` is not yet stable in WASI 0.2")),
    ("p2_cli_export_cabi_realloc", Passes("")),
    ("p2_cli_file_append", Passes(DRAFT)),
    ("p2_cli_file_dir_sync", Passes(DRAFT)),
    ("p2_cli_file_read", Passes(STORY)),
    ("p2_cli_hello_stdout", Passes("")),
    ("p2_cli_hostcall_fuel", Apart(FLAGS)),
    ("p2_cli_http_headers", Apart(FLAGS)),
    ("p2_cli_initial_cwd", Apart("a task has no folder that it is started in")),
    ("p2_cli_large_env", Passes("env = [\"A=1\"]")),
    ("p2_cli_many_resources", Says("", "more than 1000 handles")),
    ("p2_cli_max_resources", Passes("")),
    (
        "p2_cli_much_stdout",
        Apart("its arguments are those of wasmtime's own test, which counts what it writes"),
    ),
    ("p2_cli_multiple_preopens", Passes("write = [\"work:/a\", \"story:/b\", \"readonly:/c\"]")),
    ("p2_cli_no_ip_name_lookup", Passes("")),
    ("p2_cli_no_tcp", Passes("")),
    ("p2_cli_no_udp", Passes("")),
    ("p2_cli_sleep", Passes("clock = true")),
    ("p2_cli_sleep_forever", Says("clock = true", "timeout")),
    ("p2_cli_splice_stdin", Passes("")),
    ("p2_cli_stdin", Apart(INPUT)),
    ("p2_cli_stdin_eisdir", Apart("it wants a folder as its standard input")),
    ("p2_cli_stdin_empty", Passes("")),
    ("p2_cli_stdio_write_flushes", Passes("")),
    ("p2_cli_stdout_epipe", Apart("a task's output is no pipe that could break")),
    ("p2_clocks_zero_wait", Passes("clock = true")),
    ("p2_file_hardlink_across_perms", Passes(TWO)),
    ("p2_file_read_write", Passes(WORK)),
    ("p2_file_rename_across_perms", Passes(TWO)),
    ("p2_file_stream_not_permitted", Passes(TWO)),
    ("p2_file_truncation_readonly", Passes(TWO)),
    ("p2_http_outbound_request_content_length", Apart(SERVER)),
    ("p2_http_outbound_request_get", Apart(SERVER)),
    ("p2_http_outbound_request_invalid_dnsname", Apart(SERVER)),
    ("p2_http_outbound_request_invalid_header", Apart(SERVER)),
    ("p2_http_outbound_request_invalid_port", Apart(SERVER)),
    ("p2_http_outbound_request_invalid_version", Apart(SERVER)),
    ("p2_http_outbound_request_large_post", Apart(SERVER)),
    ("p2_http_outbound_request_missing_path_and_query", Apart(SERVER)),
    ("p2_http_outbound_request_post", Apart(SERVER)),
    ("p2_http_outbound_request_put", Apart(SERVER)),
    ("p2_http_outbound_request_response_build", Passes("")),
    ("p2_http_outbound_request_timeout", Apart(SERVER)),
    ("p2_http_outbound_request_unknown_method", Apart(SERVER)),
    ("p2_http_outbound_request_unsupported_scheme", Apart(SERVER)),
    ("p2_ip_name_lookup", Apart("it asks for names of the internet")),
    ("p2_pollable_correct", Passes("clock = true")),
    ("p2_pollable_traps", Says("", "empty poll list")),
    ("p2_random", Passes("random = true")),
    ("p2_sleep", Passes("clock = true")),
    ("p2_stream_pollable_correct", Passes("")),
    ("p2_stream_pollable_traps", Says("", "resource has children")),
    ("p2_tcp_bind", Apart(LISTENS)),
    ("p2_tcp_busy_poll", Apart(LISTENS)),
    ("p2_tcp_connect", Apart(LISTENS)),
    ("p2_tcp_listen", Apart(LISTENS)),
    ("p2_tcp_sample_application", Apart(LISTENS)),
    ("p2_tcp_sockopts", Apart(LISTENS)),
    ("p2_tcp_states", Apart(LISTENS)),
    ("p2_tcp_streams", Apart(LISTENS)),
    ("p2_udp_bind", Apart(UDP)),
    ("p2_udp_connect", Apart(UDP)),
    ("p2_udp_sample_application", Apart(UDP)),
    ("p2_udp_send_to_closed_receiver", Apart(UDP)),
    ("p2_udp_send_too_much", Apart(UDP)),
    ("p2_udp_sockopts", Apart(UDP)),
    ("p2_udp_states", Apart(UDP)),
    ("p2_udp_stream", Apart(UDP)),
];

/// Programs that pass without grants too, since logical clocks and seeded randomness replace the real ones.
const PURE_TOO: [&str; 6] = [
    "p2_cli_default_clocks",
    "p2_cli_sleep",
    "p2_clocks_zero_wait",
    "p2_pollable_correct",
    "p2_random",
    "p2_sleep",
];

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: tests/wasi FOLDER, where FOLDER has the programs as components: p2_random.wasm, …");
        return ExitCode::from(2);
    };
    let (mut passed, mut apart, mut missing, mut wrong) = (0, 0, 0, 0);
    for (name, expected) in PROGRAMS {
        let path = Path::new(&folder).join(name).with_extension("wasm");
        let mut judge = |grants: &str, text: Option<&str>| match judge(&path, grants, text) {
            Ok(()) => passed += 1,
            Err(finished) => {
                wrong += 1;
                println!("WRONG    {name}: exit code {:?}\n{}", finished.code, finished.stderr);
            }
        };
        match expected {
            Apart(why) => {
                apart += 1;
                println!("apart    {name}: {why}");
            }
            _ if !path.is_file() => {
                missing += 1;
                println!("missing  {name}");
            }
            Passes(grants) => {
                judge(grants, None);
                if PURE_TOO.contains(&name) {
                    judge("", None);
                }
            }
            Says(grants, text) => judge(grants, Some(text)),
        }
    }
    println!("{passed} as expected, {wrong} not, {missing} missing, {apart} do not apply");
    if wrong == 0 && missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one program as the only task of a manifest.
fn judge(component: &Path, grants: &str, text: Option<&str>) -> Result<(), Finished> {
    let project = Project::new(&format!(
        "[components.p]\npath = \"{}\"\n[components.p.grants]\n{grants}\n[tasks.t]\ncall = \"p.run\"\ntimeout = \"10s\"\n",
        component.display()
    ));
    for folder in ["work", "readonly", "story", "story/sub"] {
        std::fs::create_dir(project.folder().join(folder)).expect("a folder can be made");
    }
    for (file, text) in [
        ("readonly/test.txt", "read only test file\n"),
        ("readonly/stream-perms.txt", "stream permission test\n"),
        ("story/foo.txt", ""),
        ("story/bar.txt", "And stood awhile in thought"),
        ("story/baz.txt", ""),
        ("story/sub/wow.txt", ""),
        ("story/sub/yay.txt", ""),
    ] {
        project.file(file, text.as_bytes());
    }
    let finished = project.run();
    let is_right = match text {
        None => finished.code == Some(0),
        Some(text) => finished.code == Some(1) && finished.stderr.contains(text),
    };
    if is_right { Ok(()) } else { Err(finished) }
}
