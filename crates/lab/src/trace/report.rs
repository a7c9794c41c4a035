//! The table: loads per token of every policy at every size.

/// One size of cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Of all neurons.
    pub(super) percent: u64,
    pub(super) slots: u32,
}

/// What one policy loads.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Of the policy.
    pub(super) name: String,
    /// Neurons per token, one number per size.
    pub(super) loads: Vec<f64>,
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Report {
    /// What was traced.
    pub(super) title: String,
    /// How, one line each.
    pub(super) header: Vec<String>,
    pub(super) sizes: Vec<Size>,
    /// What a layer has: neurons or experts.
    pub(super) units: &'static str,
    /// How many of them a token asks for.
    pub(super) needed: f64,
    pub(super) default: Curve,
    pub(super) others: Vec<Curve>,
    pub(super) optimum: Curve,
}

impl Report {
    /// Name of the file of the table or the chart.
    pub(super) fn file_name(&self, end: &str) -> String {
        format!("trace-{}.{end}", self.title)
    }

    /// What tables and charts show.
    pub(super) fn caption(&self) -> String {
        let first = self.units[..1].to_uppercase();
        format!("{first}{} loaded per token", &self.units[1..])
    }

    /// All policies, the default first, the optimum last.
    pub(super) fn curves(&self) -> impl Iterator<Item = &Curve> {
        let policies = std::iter::once(&self.default).chain(&self.others);
        policies.chain(std::iter::once(&self.optimum))
    }

    /// The whole page.
    pub(super) fn markdown(&self) -> String {
        let mut page = format!("# {}: {}\n\n", self.caption(), self.title);
        for line in &self.header {
            page += &format!("- {line}\n");
        }
        page += &format!(
            "\nA token asks for {:.1} {}: what it loads without a cache. Caches start empty. Belady \
             evicts what is needed farthest in the future, the optimum for a cache of that size. The \
             default policy is {}.\n\n",
            self.needed, self.units, self.default.name
        );
        page += &self.table();
        page += &format!("\n![{}]({})\n", self.caption(), self.file_name("svg"));
        page
    }

    fn table(&self) -> String {
        let names = self.curves().map(|curve| format!(" {} |", curve.name)).collect::<String>();
        let columns = 3 + self.curves().count();
        let mut table =
            format!("| cache, % of {} | slots |{names} default / Belady |\n", self.units);
        table += &format!("|{}\n", "---:|".repeat(columns));
        for (row, size) in self.sizes.iter().enumerate() {
            table += &format!("| {} | {} |", size.percent, size.slots);
            for curve in self.curves() {
                table += &format!(" {:.1} |", curve.loads[row]);
            }
            table += &format!(" {} |\n", ratio(self.default.loads[row], self.optimum.loads[row]));
        }
        table
    }
}

/// How often `least` goes into `loads`, where it does.
fn ratio(loads: f64, least: f64) -> String {
    if least > 0.0 { format!("{:.2}", loads / least) } else { "-".to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::trace) fn sample() -> Report {
        let curve = |name: &str, loads: [f64; 2]| Curve { name: name.into(), loads: loads.into() };
        Report {
            title: "tiny".into(),
            header: vec!["Tokens: 9".into()],
            sizes: vec![Size { percent: 10, slots: 5 }, Size { percent: 90, slots: 45 }],
            units: "neurons",
            needed: 12.34,
            default: curve("window, open", [10.0, 1.0]),
            others: vec![curve("frequency", [9.0, 1.5])],
            optimum: curve("Belady", [8.0, 0.0]),
        }
    }

    #[test]
    fn the_page_says_how_and_what() {
        let page = sample().markdown();
        for line in [
            "# Neurons loaded per token: tiny",
            "- Tokens: 9",
            "| cache, % of neurons | slots | window, open | frequency | Belady | default / Belady |",
            "|---:|---:|---:|---:|---:|---:|",
            "| 10 | 5 | 10.0 | 9.0 | 8.0 | 1.25 |",
            "| 90 | 45 | 1.0 | 1.5 | 0.0 | - |",
            "![Neurons loaded per token](trace-tiny.svg)",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
        assert!(page.contains("asks for 12.3 neurons"), "{page}");
    }
}
