//! A picture of the shares: bars for each server, in a group for each query.

use std::fmt::Write as _;

use crate::report::Row;

const WIDTH: f64 = 760.0;
/// Where the bars begin, behind the names.
const LEFT: f64 = 230.0;
const BAR: f64 = 16.0;
const GAP: f64 = 6.0;
const HEAD: f64 = 34.0;

/// Requests a second of each server, as a part of the floor's.
pub(crate) fn shares(groups: &[(String, Vec<Row>)]) -> String {
    let rows: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
    let height = HEAD * groups.len() as f64 + (BAR + GAP) * rows as f64 + 20.0;
    let most = groups
        .iter()
        .flat_map(|(_, rows)| rows.iter().map(|row| row.share))
        .fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 60.0) / most;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut y = 8.0;
    for (size, rows) in groups {
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{}\" font-weight=\"bold\">Query {size}: requests a second, of the floor's</text>",
            y + 16.0
        );
        y += HEAD - 6.0;
        for row in rows {
            let colour = match row.server {
                "canopy" => "#1b7f4b",
                "floor" => "#9a9a9a",
                _ => "#4a78b5",
            };
            let (base, width) = (y + BAR - 4.0, row.share * scale);
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{base}\">{:.2}</text>",
                LEFT - 8.0,
                row.server,
                LEFT + width + 6.0,
                row.share
            );
            y += BAR + GAP;
        }
        y += 6.0;
    }
    svg + "</svg>\n"
}
