// @ts-check
/* The table of runs. */
import "./part.js";
import "./rows.js";
import "./select.js";
import "./names.js";

// MLflow's clients print links to its own pages
const link = /^#\/experiments\/(\d+)(?:\/runs\/([0-9a-f]{32}))?$/.exec(location.hash);
if (link) location.replace(link[2] ? `runs/${link[2]}` : `experiments/${link[1]}`);
