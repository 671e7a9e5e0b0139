const rows = std.in.readAsString().trim().split("\n").map((line) => Number(line.split(",")[1]));
const bars = rows.map((amount, nth) => `<rect x="${nth * 10}" y="${40 - amount}" width="8" height="${amount}"/>`);
console.log(`<svg xmlns="http://www.w3.org/2000/svg" width="30" height="40"><g fill="#36c">${bars.join("")}</g></svg>`);
