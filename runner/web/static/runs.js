// @ts-check
/* The table of runs. */
import "./part.js";
import "./rows.js";
import "./select.js";
import "./names.js";
