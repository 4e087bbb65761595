//! Scenarios as text: titles, steps, and what stands indented below a step.

/// One sentence and what shows it.
pub(crate) struct Scenario {
    pub(crate) title: String,
    pub(super) steps: Vec<Step>,
}

/// One line and the indented ones that follow it.
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) below: Vec<String>,
}

/// All scenarios of a file. `#` begins a comment; a title begins with `==`.
pub(crate) fn scenarios(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            scenarios.push(Scenario { title: title.trim().to_owned(), steps: Vec::new() });
            continue;
        }
        let scenario = scenarios.last_mut().unwrap_or_else(|| panic!("line {number}: a scenario begins with its title"));
        if !line.starts_with(' ') {
            scenario.steps.push(Step { line: number, text: line.trim().to_owned(), below: Vec::new() });
            continue;
        }
        let step = scenario.steps.last_mut().unwrap_or_else(|| panic!("line {number}: stands below nothing"));
        step.below.push(line.trim().to_owned());
    }
    scenarios
}

#[test]
fn steps_own_what_stands_indented_below_them() {
    let all = scenarios("# x\n== One thing\nask a A\n    NOERROR\n\n    memory\nwait 1\n== Another\nasked 0\n");
    let shape: Vec<(&str, Vec<usize>)> =
        all.iter().map(|scenario| (&*scenario.title, scenario.steps.iter().map(|step| step.below.len()).collect())).collect();
    assert_eq!(shape, [("One thing", vec![2, 0]), ("Another", vec![0])]);
    assert_eq!(all[0].steps[1].line, 7);
}
