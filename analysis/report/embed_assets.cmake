# cmake -DSTYLE=… -DSCRIPT=… -DCHARTS=… -DTEMPLATE=… -DOUTPUT=FILE -P: the source that holds them with their hashes.
foreach(asset STYLE SCRIPT CHARTS)
  file(SHA256 ${${asset}} ${asset}_SHA256)
endforeach()
configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
file(TOUCH ${OUTPUT})
