//! Programs that want more than they may have.
//! `tests/blackbox/hostile` has the guests that are functions.

use crate::model::{FailureClass, Size};
use crate::sandbox::command_tests::trial::{Trial, file, files, steps, trial};
use crate::sandbox::testing::mebibytes;

#[tokio::test]
async fn every_hostile_program_hits_the_limit_that_it_is_for() {
    let small = |step: &str| steps(&[step]).limits(|limits| limits.disk = mebibytes(1));
    let (class, message) =
        small("endless-output").limits(|limits| limits.output = mebibytes(1)).failure().await;
    assert_eq!(class, FailureClass::Limit);
    assert!(
        message.starts_with("`limits.output` = 1MiB reached: the guest writes more to stdout"),
        "{message}"
    );
    for step in ["fill=a", "fill=/tmp/a", "many-files", "hold-removed=a", "deep-folders=100000"] {
        let (class, message) = small(step).failure().await;
        assert_eq!(class, FailureClass::Limit, "{step}: {message}");
        let expected =
            "`limits.disk` = 1MiB reached: the guest's files in its working directory and `/tmp` need more";
        assert!(message.starts_with(expected), "{step}: {message}");
    }
    let given = small("say=x").file("a", &"x".repeat(1 << 20)).failure().await;
    assert!(given.1.starts_with("`limits.disk` = 1MiB reached"), "{}", given.1);
    let memory = steps(&["fill=a"]).limits(|limits| limits.memory = mebibytes(4)).failure().await;
    assert!(memory.1.starts_with("`limits.memory` = 4MiB reached"), "{}", memory.1);
}

#[tokio::test]
async fn no_link_leads_out_of_the_working_directory() {
    let lines = steps(&["links"]).lines().await;
    for (line, [name, made, opened]) in lines.iter().zip([
        ["absolute ", "not-permitted", "no-entry"],
        ["above ", "Ok(())", "not-permitted"],
        ["loop ", "Ok(())", "name: \"loop\""],
    ]) {
        let (made_line, opened_line) = line.split_once(") ").unwrap();
        assert!(line.starts_with(name) && format!("{made_line})").contains(made), "{line}");
        assert!(opened_line.contains(opened), "{line}");
    }
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn result_is_bounded_by_the_output_limit_whatever_it_consists_of() {
    let kib = |trial: Trial| trial.limits(|limits| limits.output = Size::bytes(1024));
    let write = format!("write=a:{}", "x".repeat(600));
    let class = async |trial: Trial| kib(trial).run().await.err().map(|failure| failure.class);
    assert_eq!(class(trial(file("a")).steps(&[&write])).await, None);
    assert_eq!(
        class(trial(file("a")).steps(&[&write, &format!("append=a:{}", "x".repeat(600))])).await,
        Some(FailureClass::Limit)
    );
    let twice = steps(&[&write]).outputs(&[("a", file("a")), ("b", file("a"))]);
    assert_eq!(class(twice).await, Some(FailureClass::Limit));
    let copies = trial(files("*")).steps(&[&write, &write.replace("=a:", "=b:")]);
    assert_eq!(class(copies).await, Some(FailureClass::Limit));
}

#[tokio::test]
async fn deep_folders_neither_overflow_the_stack_nor_match() {
    let deep = trial(files("**/f")).steps(&["deep-folders=30000"]).failure().await;
    assert_eq!(deep.1, "the program left a path of more than 4096 bytes, which `**/f` cannot match");
    let missing = trial(file("x")).steps(&["deep-folders=30000"]).failure().await;
    assert_eq!(missing.1, "the program left no file `x`; its working directory has no files");
    let shallow = trial(files("d/*")).steps(&["deep-folders=30000"]).json().await;
    assert_eq!(shallow, "[]");
}
