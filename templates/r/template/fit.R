# Fit a linear model to the data set `cars`, and log how well it fits.
formula <- commandArgs(trailingOnly = TRUE)[1]
model <- lm(as.formula(formula), data = cars)
r2 <- summary(model)$r.squared
cat(sprintf("r2 = %.4f\n", r2))
dir.create("outputs", showWarnings = FALSE)
write.csv(as.data.frame(coef(model)), "outputs/model.csv")
if (nzchar(Sys.getenv("PROJ_RUN_ID")) && nzchar(Sys.which("proj"))) {
  system2("proj", c("log", "metric", sprintf("r2=%.10f", r2)))
}
