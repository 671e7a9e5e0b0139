import csv
import json
import os
import statistics
import sys

rows = [(name, float(amount)) for name, amount in csv.reader(sys.stdin)]
amounts = [amount for _, amount in rows]
with open("report.md", "w") as page:
    page.write(f"# Orders\n\n| customer | {os.environ['CURRENCY']} |\n|---|---|\n")
    page.writelines(f"| {name} | {amount:.2f} |\n" for name, amount in sorted(rows))
json.dump({"mean": statistics.mean(amounts), "median": statistics.median(amounts)}, sys.stdout)
