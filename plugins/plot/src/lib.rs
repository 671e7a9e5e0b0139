//! Responsible for the exports that `wit/plot.wit` promises.
//! Leaves scales to `scale`, the frame around a chart to `frame`, and its marks to `marks`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod checks;
mod frame;
mod marks;
mod scale;
mod svg;

use exports::cascade::plot::plot::{Error, Guest, Look, Points, Series};

struct Plugin;

impl Guest for Plugin {
    fn bars(labels: Vec<String>, series: Vec<Series>, look: Option<Look>) -> Result<String, Error> {
        let look = checks::look(look)?;
        checks::series(&labels, &series)?;
        Ok(marks::bars(&labels, &series, &look))
    }

    fn lines(labels: Vec<String>, series: Vec<Series>, look: Option<Look>) -> Result<String, Error> {
        let look = checks::look(look)?;
        checks::series(&labels, &series)?;
        Ok(marks::lines(&labels, &series, &look))
    }

    fn scatter(series: Vec<Points>, look: Option<Look>) -> Result<String, Error> {
        let look = checks::look(look)?;
        checks::points(&series)?;
        Ok(marks::scatter(&series, &look))
    }

    fn curves(series: Vec<Points>, look: Option<Look>) -> Result<String, Error> {
        let look = checks::look(look)?;
        checks::points(&series)?;
        Ok(marks::curves(&series, &look))
    }

    fn histogram(values: Vec<f64>, bins: Option<u32>, look: Option<Look>) -> Result<String, Error> {
        let look = checks::look(look)?;
        checks::values(&values)?;
        marks::histogram(&values, checks::bins(bins, values.len())?, &look)
    }
}

export!(Plugin);
