//! Large data: hundreds of megabytes, long chains, and lists of a million elements.
//! Speed is measured by the benchmarks.

use cascade_host_tests::Project;

/// Creates a project with the basic guest.
fn project(body: &str) -> Project {
    Project::basic(body)
}

#[test]
fn quarter_gigabyte_passes_between_tasks() {
    let body = "[defaults.limits]\nmemory = \"1GiB\"\noutput = \"300MiB\"\n\
                [tasks.one]\ncall = \"g.echo-bytes\"\nargs.value = { file = \"big\" }\n\
                [tasks.two]\ncall = \"g.echo-bytes\"\nargs.value = { task = \"one\" }\n\
                [tasks.all]\ncall = \"g.sum\"\nargs.xs = []\nafter = [\"two\"]\n\
                [outputs]\nall = { task = \"all\" }\n";
    let project = project(body);
    project.file("big", &vec![7; 256 << 20]);
    project.run().expect(0);
    let events = project.events();
    let sizes: Vec<u64> =
        events.of("task.finished").filter_map(|event| event["output_bytes"].as_u64()).collect();
    assert_eq!(sizes, [(256 << 20) + 5, (256 << 20) + 5, 1]);
}

#[test]
fn chain_of_a_hundred_thousand_tasks_runs() {
    let mut body = String::from("[outputs]\nlast = { task = \"t99999\" }\n");
    for link in 0..100_000 {
        let before = if link == 0 { "0".to_owned() } else { format!("{{ task = \"t{}\" }}", link - 1) };
        body.push_str(&format!("[tasks.t{link}]\ncall = \"g.add\"\nargs = {{ a = {before}, b = 1 }}\n"));
    }
    let finished = project(&body).host().args(["--log-level", "error"]).run().expect(0);
    assert_eq!(finished.json()["last"], 100_000);
}

#[test]
fn for_each_of_a_million_elements_runs() {
    let body = "[tasks.numbers]\ncall = \"g.numbers\"\nargs.n = 1_000_000\n\
                [tasks.doubled]\ncall = \"g.double\"\nfor-each.x = { task = \"numbers\" }\nargs.x = { item = \"x\" }\n\
                [outputs]\nlast = { task = \"doubled\", path = \"[999999]\" }\n";
    let finished = project(body).host().args(["--log-level", "error"]).run().expect(0);
    assert_eq!(finished.json()["last"], 1_999_998);
}
