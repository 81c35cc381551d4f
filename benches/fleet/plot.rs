//! The comparison as a picture: how many times better callvault is, and how far the pairs lie apart.

use std::fmt::Write;

use crate::measure::spread::Spread;
use crate::table::{Row, Section};

const WIDTH: f64 = 960.0;
const LABELS: f64 = 470.0;
const VALUES: f64 = 60.0;
const LINE: f64 = 24.0;
const TOP: f64 = 64.0;
const BAR: f64 = 12.0;
const STYLE: &str = "text{font:13px sans-serif;fill:#24292f}.head{font-weight:bold}.faint{fill:#6e7781}\
    .better{fill:#2da44e}.worse{fill:#cf222e}line{stroke:#24292f}.grid{stroke:#d0d7de}.wanted{stroke:#bf8700;stroke-width:3}";

/// Every row that compares, on a logarithmic scale. `said` is the line under the title.
pub(crate) fn svg(sections: &[Section], said: &str) -> String {
    let rows = sections.iter().map(|section| (section, section.rows.iter().filter_map(bar).collect::<Vec<_>>()));
    let sections: Vec<(&Section, Vec<Bar<'_>>)> = rows.filter(|(_, bars)| !bars.is_empty()).collect();
    let lines: usize = sections.iter().map(|(_, bars)| bars.len() + 1).sum();
    let (scale, height) = (Scale::over(sections.iter().flat_map(|(_, bars)| bars)), TOP + LINE * (lines as f64 + 0.5));
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"20\" class=\"head\">How many times better callvault is than the Node baseline</text>\n\
         <text x=\"10\" y=\"38\" class=\"faint\">{}</text>",
        escaped(said)
    );
    scale.grid(&mut svg, height);
    let mut y = TOP + LINE;
    for (section, bars) in &sections {
        let _ = writeln!(svg, "<text x=\"10\" y=\"{y}\" class=\"head\">{}</text>", escaped(&section.title));
        y += LINE;
        for bar in bars {
            bar.draw(&mut svg, &scale, y);
            y += LINE;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

struct Bar<'a> {
    row: &'a Row,
    advantage: Spread,
}

fn bar(row: &Row) -> Option<Bar<'_>> {
    let advantage = row.advantage()?;
    let is_drawable = advantage.least > 0.0 && advantage.most.is_finite();
    is_drawable.then_some(Bar { row, advantage })
}

impl Bar<'_> {
    fn draw(&self, svg: &mut String, scale: &Scale, y: f64) {
        let Spread { median, least, most } = self.advantage;
        let (one, end, top) = (scale.x(1.0), scale.x(median), y - BAR);
        let class = if median >= 1.0 { "better" } else { "worse" };
        let (left, width, middle) = (one.min(end), (end - one).abs(), top + BAR / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"24\" y=\"{y}\">{}</text>\n\
             <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"{class}\"/>\n\
             <line x1=\"{:.1}\" y1=\"{middle:.1}\" x2=\"{:.1}\" y2=\"{middle:.1}\"/>\n\
             <text x=\"{:.1}\" y=\"{y}\">{median:.1} ×</text>",
            escaped(self.row.what()),
            scale.x(least),
            scale.x(most),
            WIDTH - VALUES + 8.0,
        );
        if let Some(wanted) = self.row.advantage_wanted() {
            let x = scale.x(wanted);
            let (above, below) = (top - 3.0, top + BAR + 3.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{above:.1}\" x2=\"{x:.1}\" y2=\"{below:.1}\" class=\"wanted\"/>"
            );
        }
    }
}

/// From a power of two to another, 1 among them.
struct Scale {
    least: i32,
    most: i32,
}

impl Scale {
    fn over<'a>(bars: impl Iterator<Item = &'a Bar<'a>>) -> Scale {
        let mut scale = Scale { least: -1, most: 1 };
        for bar in bars {
            let wanted = bar.row.advantage_wanted().unwrap_or(1.0);
            scale.least = scale.least.min(bar.advantage.least.log2().floor() as i32);
            scale.most = scale.most.max(bar.advantage.most.max(wanted).log2().ceil() as i32);
        }
        scale
    }

    fn x(&self, times: f64) -> f64 {
        let share = (times.log2() - f64::from(self.least)) / f64::from(self.most - self.least);
        LABELS + share * (WIDTH - VALUES - LABELS)
    }

    fn grid(&self, svg: &mut String, height: f64) {
        for power in self.least..=self.most {
            let times = f64::from(power).exp2();
            let (x, class) = (self.x(times), if power == 0 { "one" } else { "grid" });
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{height}\" class=\"{class}\"/>\n\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"faint\">{times}</text>",
                TOP - 6.0
            );
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
