# SPDX-License-Identifier: GPL-2.0-only
# gnuplot -c plot.gp DATA SVG: what is left of a server's throughput under each tool.
set terminal svg size 900,420 font "sans-serif,13" background "white"
set output ARG2
set title "Throughput with each tool, as a share of bare (median, least to most)"
set style data histograms
set style histogram errorbars gap 1.5 lw 1
set style fill solid 0.85 noborder
set boxwidth 0.9
set yrange [0:*]
set ytics 0.2
set grid ytics lc rgb "#cccccc"
set xtics rotate by -25
set key outside top center horizontal
# the bars' ends
set linetype 1 lc rgb "#333333"
set linetype 2 lc rgb "#333333"
plot ARG1 using 2:3:4:xtic(1) title "PHP pages, FPM" lc rgb "#4477aa", \
     ARG1 using 5:6:7 title "mail(), FPM, null injector" lc rgb "#ee9955", \
     1 title "bare" with lines lc rgb "#333333"
